"""A module of the library has a buffer that the file's `_init_weights` does not fill.

Why it matters: transformers 5 gives every buffer that no checkpoint holds uninitialised memory, and the library fills
those of its own modules in its own models' `_init_weights` only.  In a file that takes a `LlamaRotaryEmbedding` and has
an `_init_weights` of its own the rotary frequencies are garbage: wrong logits that change from load to load, no error.

What to do: `doctor fix` has the library fill them.  By hand: call `super()._init_weights(module)` first.

Reference: https://github.com/huggingface/transformers/issues/48892
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.borrowed import IMPORTED, embeddings, unfilling
from doctor.code import OURS, Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
IMPORT = "from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding\n"
MODEL = """class M(PreTrainedModel):
    def __init__(self, config):
        self.rotary_emb = LlamaRotaryEmbedding(config=config)
    def _init_weights(self, module):
        {}
"""


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"def _init_weights("],
    confirm=lambda data: IMPORTED.search(data) and (b"Embedding(" in data or b"Embeddings(" in data),
    passes=[
        remote_code(IMPORT + MODEL.format("super()._init_weights(module)")),
        remote_code(MODEL.format("pass")),
        remote_code(IMPORT.replace("transformers.models.llama", ".") + MODEL.format("pass")),
    ],
    fails=[
        remote_code(IMPORT + MODEL.format("pass")),
        remote_code(IMPORT + MODEL.format("pass"), "4.57.6"),
        remote_code((IMPORT + MODEL.format("super()._init_weights(module)")).replace("RotaryEmbedding", "Embeddings")),
    ],
    kinds=["remote-code"],
)
def library_buffer_unfilled(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find embeddings of the library in a file whose models have an `_init_weights` that does not ask the library's."""
    judged = verdict(WORKS, facts)
    if judged is None or all(OURS in ast.unparse(method) for method in unfilling(code.text)):
        return
    for call in embeddings(code.text):
        name = ast.unparse(call.func)
        yield Finding(
            f"{name} has a buffer that no checkpoint holds; {judged.when} it is uninitialised memory, and the file's "
            "_init_weights does not fill it",
            Remedy("advice", "call `super()._init_weights(module)` first"),
            code.location(call),
            severity=judged.severity,
        )
