"""A model chooses eager attention by `_check_and_enable_sdpa`, which newer releases do not call.

Why it matters: Gemma2 and its like switch SDPA off where nobody asked for it, because it leaves the soft cap of the
logits out.  From transformers 4.54 on the hook is dead and SDPA is taken: the logits are a little wrong, without an
error.

What to do: `doctor fix` answers the newer releases as the hook did.  By hand: load with
`attn_implementation="eager"`.

Reference: https://github.com/huggingface/transformers/pull/38974
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.54"
HOOK, ASKED = "_check_and_enable_sdpa", "get_correct_attn_implementation"
MODEL = f"class P(PreTrainedModel):\n    def {HOOK}(cls, config):\n        config._attn_implementation = 'eager'\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"def _check_and_enable_sdpa"],
    passes=[
        remote_code(MODEL.replace("'eager'", "'sdpa'")),
        remote_code(MODEL + f"    def {ASKED}(self, asked, early=False): return 'eager'"),
    ],
    fails=[remote_code(MODEL), remote_code(MODEL, "4.47.1"), remote_code(MODEL, "4.57.6")],
    kinds=["remote-code"],
)
def eager_default_override(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find classes whose hook sets the attention to eager."""
    judged = verdict(WORKS, facts)
    for name, node in code.classes.nodes.items() if judged else ():
        methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        if HOOK not in methods or ASKED in methods or not judged:
            continue
        assigned = [part.value for part in ast.walk(methods[HOOK]) if isinstance(part, ast.Assign)]
        if any(isinstance(value, ast.Constant) and value.value == "eager" for value in assigned):
            yield Finding(
                f"{name}.{HOOK} chooses eager attention; {judged.when} nothing calls it, and SDPA leaves out what "
                "eager attention does: wrong logits, without an error",
                Remedy("advice", 'load with `attn_implementation="eager"`'),
                code.location(methods[HOOK]),
                severity=judged.severity,
            )
