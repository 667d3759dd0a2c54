"""`_reorder_cache` takes a cache to be a tuple of layers.

Why it matters: beam search hands it a cache object from transformers 4.50 on.  A layer is then no pair of tensors, or
the cache comes back as a tuple that the next step does not take.  Greedy search and sampling do not call it.

What to do: `doctor fix` lets a cache that can reorder itself do so: `past_key_values.reorder_cache(beam_idx)`.

Reference: https://github.com/huggingface/transformers/pull/31898
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.50"
METHOD = "_reorder_cache"
HEAD = f"def {METHOD}(past, beam_idx):\n    "


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[f"def {METHOD}(".encode()],
    passes=[
        remote_code(HEAD + "past.reorder_cache(beam_idx)\n    return past"),
        remote_code(HEAD + "raise NotImplementedError"),
    ],
    fails=[
        remote_code(HEAD + "return tuple(f(layer) for layer in past)"),
        remote_code(HEAD + "return tuple(f(layer) for layer in past)", "4.47.1"),
    ],
    kinds=["remote-code"],
)
def reorder_cache_of_tuples(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find such a function that returns something and never asks the cache to reorder itself."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for function in code.nodes(ast.FunctionDef):
        if function.name != METHOD or len([a for a in function.args.args if a.arg != "self"]) != 2:
            continue
        nodes = list(ast.walk(function))
        asks = any(getattr(node, "attr", "") == "reorder_cache" for node in nodes)
        if not asks and any(isinstance(node, ast.Return) for node in nodes):
            yield Finding(
                f"{METHOD} takes a tuple of layers; {judged.when} beam search hands it a cache object",
                Remedy("advice", "call `past_key_values.reorder_cache(beam_idx)` where the cache has it"),
                code.location(function),
            )
