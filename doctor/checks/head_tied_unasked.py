"""A model without `get_output_embeddings` loses its head to the input embeddings.

Why it matters: transformers 4.54 to 4.57 take whatever is called `lm_head` for the output embeddings and, where
`tie_word_embeddings` is not switched off in config.json (it is on by default), replace the loaded head by the input
embeddings: the model answers nonsense, and nothing is raised.

What to do: `doctor fix` has the class say that it has none.  Or write `"tie_word_embeddings": false` in config.json.

Reference: https://github.com/huggingface/transformers/pull/39339
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict
from doctor.tied import unnamed_heads

WORKS = "transformers!=4.54.*,!=4.55.*,!=4.56.*,!=4.57.*"
MODEL = """class M(PreTrainedModel):
    def __init__(self, config):
        self.embed_tokens = nn.Embedding(8, 8)
        self.lm_head = nn.Linear(8, 8, bias=False)
"""


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"self.lm_head"],
    passes=[
        remote_code(MODEL, "5.23.0"),
        remote_code(MODEL, "4.57.6", tie_word_embeddings=False),
        remote_code(MODEL + "    def get_output_embeddings(self):\n        return self.lm_head", "4.57.6"),
        remote_code(MODEL + "        self.lm_head.weight = self.embed_tokens.weight", "4.57.6"),
    ],
    fails=[remote_code(MODEL, "4.57.6"), remote_code(MODEL, "4.47.1", tie_word_embeddings=True)],
    kinds=["remote-code"],
)
def head_tied_unasked(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find models with an `lm_head` that do not name their output embeddings, unless config.json ties nothing."""
    judged, model = verdict(WORKS, facts), facts.model_of(code.source)
    if judged is None or (model and model.config.get("tie_word_embeddings") is False):
        return
    where = f"on transformers {facts.transformers}" if judged.broken else "on transformers 4.54 to 4.57"
    for name in sorted(unnamed_heads(code.text)):
        yield Finding(
            f"{name} names no output embeddings: {where} its lm_head is replaced by the input embeddings",
            Remedy("advice", 'write `"tie_word_embeddings": false` in config.json'),
            code.location(code.classes.nodes[name]),
            severity=judged.severity,
        )
