"""`AttentionMaskConverter._unmask_unattended` is called with an attention mask and `unmasked_value`.

Why it matters: since transformers 4.39 it takes the mask and the dtype's minimum, and finds the rows itself:
`TypeError: AttentionMaskConverter._unmask_unattended() got an unexpected keyword argument 'unmasked_value'`.

What to do: `doctor fix` brings along the old function.

Reference: https://github.com/huggingface/transformers/blob/v4.39.0/src/transformers/modeling_attn_mask_utils.py
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.39"
CALLED = "AttentionMaskConverter._unmask_unattended"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"._unmask_unattended("],
    passes=[
        remote_code(f"m = {CALLED}(m, min_dtype=min_dtype)"),
        remote_code(f"m = {CALLED}(m, torch.finfo(dtype).min)"),
    ],
    fails=[
        remote_code(f"m = {CALLED}(m, attention_mask, unmasked_value=0.0)"),
        remote_code(f"m = {CALLED}(m, attention_mask, 0.0)", "4.47.1"),
    ],
    kinds=["remote-code"],
)
def unmask_unattended_value(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find calls with three arguments, or by that keyword."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for call in code.nodes(ast.Call):
        if getattr(call.func, "attr", "") != "_unmask_unattended" or ast.unparse(call.func) != CALLED:
            continue
        named = any(keyword.arg == "unmasked_value" for keyword in call.keywords)
        if named or len(call.args) == 3:
            yield Finding(
                f"{CALLED} is handed the attention mask and a value; {judged.when} it takes the mask and the dtype's "
                "minimum: unexpected keyword argument 'unmasked_value'",
                Remedy("advice", "call it with the mask and `min_dtype=torch.finfo(mask.dtype).min`"),
                code.location(call),
                severity=judged.severity,
            )
