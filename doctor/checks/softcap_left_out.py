"""SDPA attention, the default, leaves out the soft cap that the model was trained with.

Why it matters: files of Gemma2 from 4.48 on let SDPA be chosen, which has no soft cap: the logits are a little off
those of the trained model, without an error.  `doctor fix` keeps the numbers of the release that a file was written
for, and does not put the cap back.

What to do: load with `attn_implementation="eager"`, which applies it.

Reference: https://github.com/huggingface/transformers/pull/38974
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code

CHOICE = r"\b{0}\b[^=\n]*=\s*ALL_ATTENTION_FUNCTIONS\b"
FILE = """class P(PreTrainedModel):
    _supports_sdpa = True
def forward(q, k, v):
    attend = ALL_ATTENTION_FUNCTIONS[kind]
    return attend(q, k, v, softcap=50.0)
"""


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[b"softcap="],
    confirm=lambda data: b"_supports_sdpa = True" in data and b"ALL_ATTENTION_FUNCTIONS" in data,
    passes=[
        remote_code(FILE.replace("True", "False")),
        remote_code(FILE, attn_logit_softcapping=None),
        remote_code(FILE.replace("return attend(", "return flash(")),
    ],
    fails=[
        remote_code(FILE),
        remote_code(FILE.replace("softcap=50.0", "softcap=_doctor_softcap(attend, 50.0)"), "4.57.6"),
        remote_code(FILE, "5.0.0", attn_logit_softcapping=50.0),
    ],
    kinds=["remote-code"],
)
def softcap_left_out(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find the keyword in calls of an attention function that the library chooses, SDPA among them."""
    model = facts.model_of(code.source)
    if model is not None and model.config.get("attn_logit_softcapping", 0.0) is None:
        return
    for call in code.nodes(ast.Call):
        name = getattr(call.func, "id", "")
        if not name or not re.search(CHOICE.format(name), code.source.text or ""):
            continue
        for keyword in call.keywords:
            if keyword.arg == "softcap":
                yield Finding(
                    "SDPA is the default and has no soft cap: the logits are not quite those the model was trained "
                    "with, without an error",
                    Remedy("advice", 'load with `attn_implementation="eager"`'),
                    code.location(keyword),
                )
