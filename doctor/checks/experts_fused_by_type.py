"""A mixture of experts keeps each expert apart, under a model type whose experts the release fuses.

Why it matters: transformers 5.0 to 5.2 rewrite the checkpoint of every model by its model type, also for remote code.
The experts' tensors are put together and renamed for the library's own class; the file's experts are reported as
missing and stay random.

What to do: `doctor fix` gives the configuration a model type of its own while such a release is installed.  Or use
transformers 5.3 or later, or load without `trust_remote_code`.

Reference: https://github.com/huggingface/transformers/blob/v5.0.0/src/transformers/conversion_mapping.py
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers!=5.0.*,!=5.1.*,!=5.2.*"
ROOT, HELPER = "PreTrainedModel", "_doctor_own_model_type"
BLOCK = "class B(nn.Module):\n    def __init__(self):\n        self.experts = nn.ModuleList([E() for _ in range(4)])\n"
MODEL = BLOCK + "class P(PreTrainedModel):\n    config_class = C\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"experts = nn.ModuleList("],
    passes=[
        remote_code(MODEL, "5.23.0"),
        remote_code(MODEL, "5.3.0"),
        remote_code(MODEL.replace("PreTrainedModel", "MixtralPreTrainedModel"), "5.0.0"),
        remote_code(MODEL + f"    def __init__(self, config):\n        {HELPER}(config)", "5.0.0"),
    ],
    fails=[remote_code(MODEL, "5.0.0"), remote_code(MODEL, "5.2.0"), remote_code(MODEL, "4.57.6")],
    kinds=["remote-code"],
)
def experts_fused_by_type(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find lists of experts in a file with a model of its own."""
    judged, classes = verdict(WORKS, facts), code.classes
    if judged is None or HELPER in code.names or not any(ROOT in classes.bases(name) for name in classes.nodes):
        return
    for assign in code.nodes(ast.Assign):
        listed = isinstance(assign.value, ast.Call) and ast.unparse(assign.value.func).endswith("ModuleList")
        if listed and any(getattr(target, "attr", "") == "experts" for target in assign.targets):
            when = judged.when.replace("from transformers 5.0 on", "on transformers 5.0 to 5.2")
            yield Finding(
                f"the experts are kept apart; {when} the checkpoint of a known model type is rewritten for fused "
                "ones, and these stay random",
                Remedy("advice", "use transformers 5.3 or later, or give the configuration a model type of its own"),
                code.location(assign),
                severity=judged.severity,
            )
            return
