"""A tokenizer hands `add_bos_token` or `add_eos_token` to the library, to be saved with it.

Why it matters: transformers 5 leaves both out of the tokenizer_config.json that it writes, without a word.  A tokenizer
that was told to add no `<s>` adds it again once it was saved with a fine-tuned model and loaded from there: other ids
than it was trained on.

What to do: `doctor fix` has the tokenizer write them, as transformers 4 did.

Reference: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/tokenization_utils_base.py
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict
from doctor.tokenizer_classes import unsaved_choices

WORKS = "transformers<5"
TOKENIZER = """class T(PreTrainedTokenizer):
    def __init__(self, add_bos_token=True, **kwargs):
        super().__init__({}, **kwargs)
"""
GIVEN = TOKENIZER.format("add_bos_token=add_bos_token")


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"add_bos_token=", b"add_eos_token="],
    passes=[
        remote_code(TOKENIZER.format("unk_token=None")),
        remote_code(GIVEN.replace("PreTrainedTokenizer", "PreTrainedTokenizerFast")),
        remote_code(GIVEN + "    def save_pretrained(self, save_directory): pass\n"),
    ],
    fails=[remote_code(GIVEN), remote_code(GIVEN, "4.57.6"), remote_code(GIVEN.replace("bos", "eos"))],
    kinds=["remote-code"],
)
def bos_eos_not_saved(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find direct subclasses of `PreTrainedTokenizer` that hand on either, and leave saving to the library."""
    judged = verdict(WORKS, facts)
    for name, node in code.classes.nodes.items() if judged else ():
        if judged and (choices := unsaved_choices(code.classes, name)):
            names = " and ".join(choices)
            yield Finding(
                f"{name} leaves it to the library to save {names}; {judged.when} save_pretrained leaves that out, "
                "and a saved tokenizer comes back with the default",
                Remedy("advice", f"write {names} into tokenizer_config.json in a `save_pretrained` of its own"),
                code.location(node),
                severity=judged.severity,
            )
