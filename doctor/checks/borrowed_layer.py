"""A model that inherits the library's layers calls them as transformers 4.47 had it.

Why it matters: since 4.48 a layer is handed the rotary embedding (`TypeError: cannot unpack non-iterable NoneType
object`); since 4.54 it answers with a tensor, of which `layer_outputs[0]` is the first row of the batch, not all of it;
since 4.56 it overlooks `past_key_value`.  The last two go on with wrong numbers, without an error.

What to do: `doctor fix` calls the layers through a function that knows both ways.

Reference: https://github.com/huggingface/transformers/pull/39120
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor.borrowed import FAMILIES, IMPORTED, layered
from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.48"
BASE = re.compile(rb"Model\)")
NAMES = tuple(family.encode() for family in FAMILIES)
HEAD = "from transformers import LlamaModel\n"
MODEL = """class MyModel(LlamaModel):
    def forward(self, x, positions):
        for index, layer in enumerate(self.layers):
            answer = layer(x, position_ids=positions)
            x = {}
"""


def _inherits(data: bytes) -> bool:
    heirs = any(data.endswith(NAMES, 0, found.start()) for found in BASE.finditer(data))
    return heirs and (b"from transformers import" in data or IMPORTED.search(data) is not None)


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"from transformers import", b"from transformers.models."],
    confirm=lambda data: b"self.layers" in data and _inherits(data),
    passes=[
        remote_code(HEAD + MODEL.format("answer")),
        remote_code(MODEL.format("answer[0]")),
        remote_code(
            HEAD + MODEL.format("answer[0]") + "    def __init__(self, config):\n        self.layers = mine()\n"
        ),
    ],
    fails=[
        remote_code(HEAD + MODEL.format("answer[0]")),
        remote_code(HEAD + MODEL.format("answer[0]"), "4.47.1"),
        remote_code(HEAD + MODEL.format("answer").replace("(x, position_ids=positions)", "(x)[0]")),
    ],
    kinds=["remote-code"],
)
def borrowed_layer(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find calls of inherited layers whose answer is taken apart."""
    judged = verdict(WORKS, facts)
    if judged is None:
        return
    for one in layered(code.text):
        for call in one.calls:
            yield Finding(
                f"{one.owner}.{one.method.name} calls a layer of the library, and takes its answer for a tuple: "
                f"{judged.when} it wants position_embeddings, and its answer becomes a tensor",
                Remedy("advice", "hand over `self.rotary_emb(hidden_states, position_ids)` and take the whole answer"),
                code.location(call),
                severity=judged.severity,
            )
