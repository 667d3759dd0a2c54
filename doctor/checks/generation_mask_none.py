"""`_update_model_kwargs_for_generation` takes an attention mask that is there for a tensor.

Why it matters: transformers 5 drops a mask of ones and keeps None under its name: `AttributeError: 'NoneType' object
has no attribute 'new_ones'` after the first token.

What to do: `doctor fix` asks for the mask itself: `if model_kwargs.get("attention_mask") is not None`.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
UPDATE = "_update_model_kwargs_for_generation"
HELD = rb"""["']attention_mask["'] in model_kwargs"""
HEAD = f"class M(P):\n    def {UPDATE}(self, outputs, model_kwargs):\n        "


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[f"def {UPDATE}".encode()],
    confirm=lambda data: re.search(HELD, data),
    passes=[
        remote_code(HEAD + 'if model_kwargs.get("attention_mask") is not None: pass'),
        remote_code(HEAD + 'if "attention_mask" not in model_kwargs: pass'),
    ],
    fails=[
        remote_code(HEAD + 'if "attention_mask" in model_kwargs: pass'),
        remote_code(HEAD + 'if x and "attention_mask" in model_kwargs: pass', "4.57.6"),
    ],
    kinds=["remote-code"],
)
def generation_mask_none(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find tests for the key in that method."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for test in code.nodes(ast.Compare):
        held = isinstance(test.left, ast.Constant) and test.left.value == "attention_mask"
        if not held or ast.unparse(test) != "'attention_mask' in model_kwargs":
            continue
        if getattr(code.function(test), "name", "") == UPDATE:
            yield Finding(
                f"takes the mask for a tensor where its name is there; {judged.when} it is None under that name: "
                "'NoneType' object has no attribute 'new_ones'",
                Remedy("advice", 'ask `model_kwargs.get("attention_mask") is not None`'),
                code.location(test),
                severity=judged.severity,
            )
