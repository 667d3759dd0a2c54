"""A fast tokenizer has an `__init__` of its own.

Why it matters: from 5.0 on the library does not read the tokenizer.json of such a class any more.  It takes the
vocabulary out of the file and puts the rest together anew, without the file's normalizer, pre-tokenizer and decoder:
other ids than the model was trained on, without a word.

What to do: `doctor fix` has the file read as in transformers 4.  A class without `__init__` is read so anyway.

Reference: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/tokenization_utils_tokenizers.py
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict
from doctor.tokenizer_classes import set_aside

WORKS = "transformers<5"
FAST = "class T(Qwen2TokenizerFast):\n    def __init__(self, **kwargs):\n        super().__init__(**kwargs)\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"TokenizerFast"],
    passes=[
        remote_code(FAST.replace("TokenizerFast", "Tokenizer")),
        remote_code(FAST.replace("__init__(self, **kwargs)", "start(self)")),
        remote_code(FAST + "        self._tokenizer = made\n"),
        remote_code(FAST + "    @classmethod\n    def convert_to_native_format(cls, **kwargs): pass\n"),
    ],
    fails=[remote_code(FAST), remote_code(FAST, "4.57.6"), remote_code(FAST.replace("Qwen2", "PreTrained"), "5.0.0")],
    kinds=["remote-code"],
)
def tokenizer_json_set_aside(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find fast tokenizers with an `__init__`."""
    judged = verdict(WORKS, facts)
    for name, node in code.classes.nodes.items() if judged else ():
        if judged and set_aside(code.classes, name):
            yield Finding(
                f"{name} has an __init__ of its own; {judged.when} its tokenizer.json is not read for that, but its "
                "vocabulary alone: other ids",
                Remedy("advice", "do without `__init__`, or set `trust_remote_code` in `convert_to_native_format`"),
                code.location(node),
                severity=judged.severity,
            )
