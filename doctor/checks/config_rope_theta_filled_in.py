"""A configuration keeps `rope_theta` to itself, and transformers 5.0 and 5.1 fill in another.

Why it matters: its `rope_parameters` say 10000.0 there, whatever `rope_theta` is.  The library's rotary embedding, and
every model of the library that the remote code inherits, reads those: wrong logits, no error.

What to do: `doctor fix` has the class write its own base over it.  Or use transformers 5.2 or newer.

Reference: https://github.com/huggingface/transformers/pull/42593
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.borrowed import keeping_theta, rope_taken
from doctor.code import OURS, Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers!=5.0.*,!=5.1.*"
CLASS = """class C(PretrainedConfig):
    def __init__(self, rope_theta=1e4, rope_scaling=None, **kwargs):
        self.rope_theta, self.rope_scaling = rope_theta, rope_scaling
        super().__init__(**kwargs)
"""
HEIR = "from transformers import LlamaModel\nclass M(LlamaModel):\n    config_class = C\n"
TAKEN = "from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"self.rope_theta"],
    passes=[
        remote_code(CLASS, "5.0.0"),
        remote_code(CLASS + HEIR, "5.23.0"),
        remote_code(CLASS.replace("PretrainedConfig", "LlamaConfig") + HEIR, "5.0.0"),
    ],
    fails=[
        remote_code(CLASS + HEIR, "5.0.0"),
        remote_code(CLASS + TAKEN, "5.1.0"),
        remote_code(CLASS + HEIR, "4.47.1"),
    ],
    kinds=["remote-code"],
)
def config_rope_theta_filled_in(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find configurations of which the library makes a rotary embedding, and takes the wrong base."""
    judged = verdict(WORKS, facts)
    if judged is None or not any(rope_taken(source.text or "") for source in facts.beside(code.source)):
        return
    where = judged.when if judged.broken else "on transformers 5.0 and 5.1"
    for node in keeping_theta(code.text):
        if not any(OURS in line for line in code.lines()[node.lineno - 1 : node.end_lineno]):
            yield Finding(
                f"{node.name} keeps rope_theta to itself: {where} its rope_parameters say 10000.0, whatever it is",
                Remedy("advice", "use transformers 5.2 or newer"),
                code.location(node),
                severity=judged.severity,
            )
