"""`_get_initial_cache_position` is overridden with the arguments it had up to transformers 4.51.

Why it matters: `generate` handed `(input_ids, model_kwargs)`; from 4.52 on it hands `(seq_length, device,
model_kwargs)`: `TypeError: ..._get_initial_cache_position() takes 3 positional arguments but 4 were given`.

What to do: `doctor fix` lets the override take both.

Reference: https://github.com/huggingface/transformers/blob/v4.52.0/src/transformers/generation/utils.py
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.52"
OVERRIDE = "_get_initial_cache_position"
HEAD = f"class M(P):\n    def {OVERRIDE}"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[f"def {OVERRIDE}".encode()],
    passes=[
        remote_code(HEAD + "(self, seq_length, device, model_kwargs): return model_kwargs"),
        remote_code(HEAD + "(self, *args): return args[-1]"),
    ],
    fails=[
        remote_code(HEAD + "(self, input_ids, model_kwargs): return model_kwargs"),
        remote_code(HEAD + "(self, input_ids, model_kwargs): return model_kwargs", "4.47.1"),
    ],
    kinds=["remote-code"],
)
def initial_cache_position_override(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find methods of that name with three parameters."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for function in code.nodes(ast.FunctionDef):
        if function.name != OVERRIDE or len(function.args.args) != 3 or function.args.vararg:
            continue
        if code.class_of(function) and not function.decorator_list:
            yield Finding(
                f"{OVERRIDE} takes (input_ids, model_kwargs); {judged.when} it is handed (seq_length, device, "
                "model_kwargs): takes 3 positional arguments but 4 were given",
                Remedy("advice", "take `(self, *args)`, and the length from the first"),
                code.location(function),
                severity=judged.severity,
            )
