"""A tokenizer reads its vocabulary after `super().__init__`, which asks for it.

Why it matters: since transformers 4.34 `super().__init__` looks up the special tokens in the vocabulary:
`AttributeError: BaichuanTokenizer has no attribute vocab_size` (or `'property' object cannot be interpreted as an
integer`) when the tokenizer is loaded.

What to do: `doctor fix` moves the lines that read the vocabulary to before the call.

Reference: https://github.com/huggingface/transformers/issues/26777
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.early import early
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.34"
TOKENIZER = """class T(PreTrainedTokenizer):
    def __init__(self, vocab_file, **kwargs):
        {0}
        {1}

    @property
    def vocab_size(self):
        return len(self.words)
"""
READS, UP = "self.words = open(vocab_file).read().split()", "super().__init__(**kwargs)"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"PreTrainedTokenizer"],
    confirm=lambda data: b").__init__(" in data and b"vocab" in data,
    passes=[
        remote_code(TOKENIZER.format(READS, UP)),
        remote_code(TOKENIZER.format(UP, READS).replace("PreTrainedTokenizer", "Words")),
        remote_code(TOKENIZER.format(UP, READS.replace("self.words", "self.lines"))),
    ],
    fails=[remote_code(TOKENIZER.format(UP, READS)), remote_code(TOKENIZER.format(UP, READS), "4.47.1")],
    kinds=["remote-code"],
)
def vocabulary_after_super_init(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find attributes that the vocabulary is read from, and that are assigned behind `super().__init__(...)`."""
    judged = verdict(WORKS, facts)
    for name, node in code.classes.nodes.items() if judged else ():
        found = early(code.classes, name)
        if found is not None and judged:
            attributes = ", ".join(found.attributes)
            yield Finding(
                f"{name} assigns {attributes} after super().__init__(), which asks for the vocabulary {judged.when}: "
                f"AttributeError: {name} has no attribute vocab_size",
                Remedy("advice", f"assign {attributes} before `super().__init__()`"),
                code.location(node),
                severity=judged.severity,
            )
