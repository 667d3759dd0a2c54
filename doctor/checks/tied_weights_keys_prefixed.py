"""A model takes over the `_tied_weights_keys` of a model inside it, as a list.

Why it matters: transformers 5 reads a mapping: `AttributeError: 'list' object has no attribute 'keys'`, at load where
something is tied, and at every `save_pretrained`.

What to do: `doctor fix` makes the outer model's a mapping where the inner model's is one.

Reference: https://github.com/huggingface/transformers/issues/44861
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
NAME = "self._tied_weights_keys"
TAKEN = "self._tied_weights_keys = [f'llm.{k}' for k in llm._tied_weights_keys]"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[NAME.encode()],
    confirm=lambda data: re.search(rb"self\._tied_weights_keys\s*=\s*\[", data),
    passes=[
        remote_code("self._tied_weights_keys = {'a.weight': 'b.weight'}"),
        remote_code("self._tied_weights_keys = None"),
    ],
    fails=[remote_code(TAKEN), remote_code(TAKEN, "4.57.6")],
    kinds=["remote-code"],
)
def tied_weights_keys_prefixed(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find the attribute assigned a list made from another model's."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for line in code.nodes(ast.Assign):
        if ast.unparse(line.targets[0]) == NAME and isinstance(line.value, ast.ListComp) and not code.ours(line):
            yield Finding(
                f"{NAME} is made a list; {judged.when} a mapping is read: 'list' object has no attribute 'keys'",
                Remedy("advice", "make it a mapping, from `.items()` of the inner model's"),
                code.location(line),
                severity=judged.severity,
            )
