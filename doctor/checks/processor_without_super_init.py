"""A processor has an `__init__` that does not call `super().__init__`.

Why it matters: since transformers 4.45 `save_pretrained` asks `self.chat_template`, which the library's `__init__`
sets: `AttributeError: 'Phi3VProcessor' object has no attribute 'chat_template'` at the end of a run, when the processor
is saved beside the model.

What to do: `doctor fix` writes `chat_template = audio_tokenizer = None` into the class.

Reference: https://github.com/huggingface/transformers/blob/v4.47.1/src/transformers/processing_utils.py
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict
from doctor.tokenizer_classes import without_template

WORKS = "transformers<4.45"
PROCESSOR = "class P(ProcessorMixin):\n    def __init__(self, tokenizer):\n        {}\n"
OWN = PROCESSOR.format("self.tokenizer = tokenizer")


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"ProcessorMixin"],
    passes=[
        remote_code(PROCESSOR.format("super().__init__(tokenizer)")),
        remote_code(OWN.replace("ProcessorMixin", "Mixin")),
        remote_code(OWN + "    chat_template = None\n"),
    ],
    fails=[remote_code(OWN), remote_code(OWN, "4.47.1")],
    kinds=["remote-code"],
)
def processor_without_super_init(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find processors with an `__init__` that neither calls the library's nor sets a chat template."""
    judged = verdict(WORKS, facts)
    for name, node in code.classes.nodes.items() if judged else ():
        if judged and without_template(code.classes, name):
            yield Finding(
                f"{name}.__init__ does not call super().__init__(); {judged.when} save_pretrained asks chat_template, "
                f"which only that sets: AttributeError: '{name}' object has no attribute 'chat_template'",
                Remedy("advice", "write `chat_template = audio_tokenizer = None` into the class"),
                code.location(node),
                severity=judged.severity,
            )
