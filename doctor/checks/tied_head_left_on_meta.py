"""A tied head of a model that the library does not have is left without memory by transformers 5.3.

Why it matters: 5.3 takes the tied weights of such remote code off the list of what the checkpoint lacks, before it
ties: "both are present in the checkpoints, so we will NOT tie them".  The head is never filled: garbage for logits.

What to do: `doctor fix` makes the model put them on the list again.  Or use transformers 5.4 or later.

Reference: https://github.com/huggingface/transformers/blob/v5.4.0/src/transformers/modeling_utils.py
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers!=5.3.*"
MODEL = "class M(PreTrainedModel):\n    def get_output_embeddings(self):\n        return self.head\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"def get_output_embeddings"],
    passes=[
        remote_code(MODEL),
        remote_code(MODEL, "5.3.0", tie_word_embeddings=False),
        remote_code(MODEL.replace("class M", "class LlamaForCausalLM"), "5.3.0"),
        remote_code(MODEL + "    def mark_tied_weights_as_initialized(self, *args): pass", "5.3.0"),
    ],
    fails=[remote_code(MODEL, "5.3.0"), remote_code(MODEL, "4.57.6")],
    kinds=["remote-code"],
)
def tied_head_left_on_meta(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find models with a head of their own whose class the library does not have."""
    judged, model = verdict(WORKS, facts), facts.model_of(code.source)
    if judged is None or (model is not None and model.config.get("tie_word_embeddings") is False):
        return
    when = judged.when.replace("from transformers 5.3 on", "on transformers 5.3")
    for name, node in code.classes.nodes.items():
        if code.classes.headed(name):
            yield Finding(
                f"{name} has a head that may be tied; {when} a tied head of remote code is left without memory: "
                "garbage for logits",
                Remedy("advice", "use transformers 5.4 or later"),
                code.location(node),
                severity=judged.severity,
            )
