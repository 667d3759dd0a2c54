"""The file uses an attention class of the library as transformers 4.47 had it.

Why it matters: `LlamaAttention` and its like took `position_ids` and returned three values; since transformers 4.48
they are handed the rotary embedding and return two: `TypeError: LlamaAttention.forward() missing 1 required positional
argument: 'position_embeddings'`, at the first forward pass.

What to do: `doctor fix` puts a class in its place that keeps the old promise on every release.

Reference: https://github.com/huggingface/transformers/pull/35235
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.borrowed import FAMILIES, IMPORTED, TAKEN, borrowed
from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.48"
IMPORT = "from transformers.models.llama.modeling_llama import LlamaAttention\n"
LAYER = """class Layer(nn.Module):
    def __init__(self, config):
        self.self_attn = LlamaAttention(config, 0)
    def forward(self, x, positions):
        {} = self.self_attn(x, position_ids=positions)
"""


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[TAKEN.encode()],
    confirm=lambda data: IMPORTED.search(data) and any(f"{name}Attention".encode() in data for name in FAMILIES),
    passes=[
        remote_code(IMPORT + LAYER.format("x, weights")),
        remote_code("from .modeling import LlamaAttention\n" + LAYER.format("x, weights, cache")),
        remote_code(IMPORT + "LlamaAttention.forward = forward\n" + LAYER.format("x, weights, cache")),
    ],
    fails=[
        remote_code(IMPORT + LAYER.format("x, weights, cache")),
        remote_code(IMPORT + LAYER.format("x, weights, cache"), "4.47.1"),
        remote_code(IMPORT + "KINDS = {'eager': LlamaAttention}\n" + LAYER.format("x, _, cache"), "4.57.6"),
    ],
    kinds=["remote-code"],
)
def borrowed_attention(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find imports of attention classes of which three values are taken."""
    judged = verdict(WORKS, facts)
    if judged is None:
        return
    for one in borrowed(code.text):
        if not one.gone:
            yield Finding(
                f"{one.name} is used as transformers 4.47 had it: {judged.when} it takes no position_ids, but "
                "position_embeddings, and returns two values",
                Remedy("advice", "make the rotary embedding in the model, hand it over, and take two values"),
                code.location(one.alias),
                severity=judged.severity,
            )
