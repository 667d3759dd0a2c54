"""A module that a model holds under two names is filled anew by transformers 5.0 and 5.1.

Why it matters: where the checkpoint has it under one of the names, these releases take the other for missing, and
initialise it: the same module.  An embedding that is handed on (`Vision(config, wte=self.embed_tokens)`, as in
Phi-3-vision) is random after loading: other answers, and no more than a note that a weight was newly initialised.

What to do: `doctor fix` makes the model tell these releases that the names are tied.  Or use transformers 5.2 or later.

Reference: https://github.com/huggingface/transformers/blob/v5.2.0/src/transformers/modeling_utils.py
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict
from doctor.tied import HANDED_ON, shared_modules

WORKS = "transformers!=5.0.*,!=5.1.*"
MODEL = """class M(PreTrainedModel):
    def __init__(self, config):
        self.embed = nn.Embedding(8, 4)
        self.vision = Vision(config, wte=self.embed)
"""


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=HANDED_ON,
    passes=[
        remote_code(MODEL),
        remote_code(MODEL, "5.2.0"),
        remote_code(MODEL.replace("wte=self.embed", "wte=self.embed.weight.shape"), "5.0.0"),
        remote_code(MODEL.replace("PreTrainedModel", "nn.Module"), "5.0.0"),
        remote_code(MODEL + "    def _move_missing_keys_from_meta_to_device(self, *args): pass", "5.0.0"),
    ],
    fails=[remote_code(MODEL, "5.0.0"), remote_code(MODEL, "5.1.0"), remote_code(MODEL, "4.57.6")],
    kinds=["remote-code"],
)
def shared_module_filled_anew(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find models that hand on an embedding or a linear layer of theirs, or hold it twice."""
    judged = verdict(WORKS, facts)
    shared = shared_modules(code.text) if judged else {}
    models = [name for name in code.classes.nodes if code.classes.is_model(name)] if shared else []
    told = any(code.classes.method(name, "_move_missing_keys_from_meta_to_device") for name in models)
    if judged is None or told or not models:
        return
    when = judged.when.replace("from transformers 5.0 on", "on transformers 5.0 and 5.1")
    for name, line in shared.items():
        yield Finding(
            f"{name} holds a module twice: {ast.unparse(line)}; {when} it is filled anew where the checkpoint has one "
            "of its names: random weights",
            Remedy("advice", "use transformers 5.2 or later"),
            code.location(line),
            severity=judged.severity,
        )
