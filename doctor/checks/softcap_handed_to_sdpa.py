"""The soft cap of the attention is handed to SDPA, which newer releases refuse.

Why it matters: from transformers 5.21 on the model stops at its first step: `ValueError: sdpa attention does not
support softcap`.

What to do: `doctor fix` hands SDPA none, as older releases took it.  By hand: load with `attn_implementation="eager"`,
which applies the cap.

Reference: https://github.com/huggingface/transformers/blob/main/src/transformers/integrations/sdpa_attention.py
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5.21"
CHOICE = r"\b{0}\b[^=\n]*=\s*ALL_ATTENTION_FUNCTIONS\b"
FILE = """class P(PreTrainedModel):
    _supports_sdpa = True
def forward(q, k, v):
    attend = ALL_ATTENTION_FUNCTIONS[kind]
    return attend(q, k, v, softcap=50.0)
"""


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"softcap="],
    confirm=lambda data: b"_supports_sdpa = True" in data and b"ALL_ATTENTION_FUNCTIONS" in data,
    passes=[
        remote_code(FILE.replace("True", "False")),
        remote_code(FILE.replace("softcap=50.0", "softcap=_doctor_softcap(attend, 50.0)")),
        remote_code(FILE.replace("return attend(", "return flash(")),
    ],
    fails=[remote_code(FILE), remote_code(FILE, "5.0.0"), remote_code(FILE, "4.57.6")],
    kinds=["remote-code"],
)
def softcap_handed_to_sdpa(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find the keyword in calls of an attention function that the library chooses."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for call in code.nodes(ast.Call):
        name = getattr(call.func, "id", "")
        if not name or not re.search(CHOICE.format(name), code.source.text or ""):
            continue
        for keyword in call.keywords:
            if keyword.arg == "softcap" and not isinstance(keyword.value, ast.Call):
                yield Finding(
                    f"hands softcap to SDPA, which {judged.when} refuses it: ValueError",
                    Remedy("advice", 'load with `attn_implementation="eager"`'),
                    code.location(keyword),
                    severity=judged.severity,
                )
