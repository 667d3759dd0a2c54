"""A fast tokenizer is made from a slow one by a converter that the file brings along.

Why it matters: transformers 4 asked `SLOW_TO_FAST_CONVERTERS`.  From 5.0 on the backend is put together from the pieces
of tokenizer.model alone, without the converter's normalizer, byte fallback and decoder: other ids than the model was
trained on, without a word.  InternLM2 loses every space; `use_fast=False` is not asked either.

What to do: `doctor fix` has the converter asked again.  Or name the slow tokenizer alone in tokenizer_config.json:
`"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", null]`.

Reference: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/tokenization_utils_tokenizers.py
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict
from doctor.tokenizer_classes import converted

WORKS = "transformers<5"
FAST = """SLOW_TO_FAST_CONVERTERS["Slow"] = SlowConverter
class Fast(PreTrainedTokenizerFast):
    slow_tokenizer_class = Slow
    def __init__(self, vocab_file, **kwargs):
        super().__init__({})
"""
GIVEN = FAST.format("vocab_file=vocab_file, **kwargs")


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"SLOW_TO_FAST_CONVERTERS"],
    passes=[
        remote_code(FAST.format("**_doctor_converted(self, vocab_file=vocab_file, **kwargs)")),
        remote_code(GIVEN.replace('["Slow"]', '["Other"]')),
        remote_code(GIVEN.replace("slow_tokenizer_class", "slow")),
    ],
    fails=[remote_code(GIVEN), remote_code(GIVEN, "4.57.6")],
    kinds=["remote-code"],
)
def slow_converter_unasked(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find fast tokenizers whose slow one has a converter of the file."""
    judged = verdict(WORKS, facts)
    for name in converted(code.tree, code.classes) if judged else ():
        if judged:
            yield Finding(
                f"{name} is made by a converter of the file; {judged.when} that is not asked, and the backend lacks "
                "what it adds: other ids",
                Remedy("advice", "name the slow tokenizer alone in auto_map, with null for the fast one"),
                code.location(code.classes.nodes[name]),
                severity=judged.severity,
            )
