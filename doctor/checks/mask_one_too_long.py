"""A causal mask is made one longer than the keys where no attention mask is handed in.

Why it matters: from transformers 5.0 on the library's SDPA attention does not cut the mask to the keys: `RuntimeError:
The size of tensor a (24) must match the size of tensor b (25)`, as soon as the text is longer than the sliding window
or several tokens follow a cache.

What to do: `doctor fix` makes the mask as long as the keys.  By hand: hand `attention_mask` in.

Reference: https://github.com/huggingface/transformers/pull/41900
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
TOO_LONG, INTERFACE = "past_seen_tokens + sequence_length + 1", "ALL_ATTENTION_FUNCTIONS"
MASK = f"attend = {INTERFACE}['sdpa']\ndef causal_mask(past_seen_tokens, sequence_length):\n    return {TOO_LONG}\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[TOO_LONG.encode()],
    confirm=lambda data: INTERFACE.encode() in data,
    passes=[
        remote_code(MASK.replace(INTERFACE, "MINE")),
        remote_code(MASK.replace(" + 1", "")),
        remote_code(MASK.replace("causal_mask", "grown")),
    ],
    fails=[remote_code(MASK), remote_code(MASK, "5.0.0"), remote_code(MASK, "4.57.6")],
    kinds=["remote-code"],
)
def mask_one_too_long(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find the length in the functions that make a mask."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for node in code.nodes(ast.BinOp):
        function = code.function(node)
        if ast.unparse(node) == TOO_LONG and isinstance(function, ast.FunctionDef) and "mask" in function.name:
            yield Finding(
                f"the mask is one longer than the keys where none is handed in; {judged.when} SDPA takes it as it is: "
                "RuntimeError: The size of tensor a must match the size of tensor b",
                Remedy("advice", "hand `attention_mask` in"),
                code.location(node),
                severity=judged.severity,
            )
