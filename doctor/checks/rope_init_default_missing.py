"""`ROPE_INIT_FUNCTIONS` is asked for the plain RoPE, which the table of transformers 5 does not have.

Why it matters: transformers 5.0 moved it from the table onto each model's rotary class: `KeyError: 'default'` at
`ROPE_INIT_FUNCTIONS[self.rope_type]`, for every model without scaling.  With scaling, 5.0 and 5.1 compute from a base
of 10000.0 where the configuration class keeps `rope_theta` to itself: wrong logits, no error.

What to do: `doctor fix` looks it up through a function that has the plain RoPE where the table has none and hands the
scaled ones the configuration's own base, and gives the class `compute_default_rope_parameters`, which the library's
`_init_weights` asks for.

Reference: https://github.com/huggingface/transformers/pull/39847
Reference: https://github.com/allenai/molmo2/issues/22
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers>=4.43,<5"
TABLE, METHOD = "ROPE_INIT_FUNCTIONS", "compute_default_rope_parameters"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[f"{TABLE}[".encode()],
    confirm=lambda data: METHOD.encode() not in data,
    passes=[
        remote_code(f'fn = {TABLE}["yarn"]'),
        remote_code(f"def {METHOD}(): pass\nfn = {TABLE}[kind]"),
    ],
    fails=[remote_code(f"fn = {TABLE}[self.rope_type]"), remote_code(f'fn = {TABLE}["default"]', "4.57.6")],
    kinds=["remote-code"],
)
def rope_init_default_missing(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find look-ups by a key that is, or may be, `default`."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for node in code.nodes(ast.Subscript):
        if getattr(node.value, "id", "") != TABLE or not isinstance(node.ctx, ast.Load) or code.ours(node):
            continue
        if isinstance(node.slice, ast.Constant) and node.slice.value != "default":
            continue
        yield Finding(
            f"{ast.unparse(node)} is asked for the plain RoPE as well: {judged.when} KeyError: 'default'",
            Remedy("advice", 'compute `1.0 / theta ** (arange(0, dim, 2) / dim)` in place of the "default" entry'),
            code.location(node),
            severity=judged.severity,
        )
