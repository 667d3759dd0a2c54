"""A tokenizer leaves it to the library which special tokens stand around a text.

Why it matters: transformers 4 answered none, and so do releases from 5.2 on; 5.0 and 5.1 put `cls_token` and
`sep_token` around every text, which such tokenizers have not: `ValueError: type of None unknown` at the first text, or
a `special_tokens_mask` that is two too long.

What to do: `doctor fix` writes what transformers 4 answered into the class.

Reference: https://github.com/huggingface/transformers/blob/v5.1.0/src/transformers/tokenization_python.py
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict
from doctor.tokenizer_classes import unsaid_specials

WORKS = "transformers!=5.0.*,!=5.1.*"
UNSAID = "class T(PreTrainedTokenizer):\n    limit = 9\n"
BUILDS = "    def build_inputs_with_special_tokens(self, token_ids_0, token_ids_1=None): pass\n"
MASKS = "build_inputs_with_special_tokens", "get_special_tokens_mask"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"PreTrainedTokenizer"],
    passes=[
        remote_code(UNSAID + BUILDS + BUILDS.replace(*MASKS), "5.0.0"),
        remote_code(UNSAID.replace("PreTrainedTokenizer", "PreTrainedTokenizerFast"), "5.0.0"),
        remote_code(UNSAID, "5.3.0"),
    ],
    fails=[remote_code(UNSAID, "5.0.0"), remote_code(UNSAID, "5.1.0"), remote_code(UNSAID, "4.57.6")],
    kinds=["remote-code"],
)
def special_tokens_undefined(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find direct subclasses of `PreTrainedTokenizer` without the methods that say it."""
    judged = verdict(WORKS, facts)
    for name, node in code.classes.nodes.items() if judged else ():
        if judged and (unsaid := unsaid_specials(code.classes, name)):
            when = judged.when if judged.broken else "on transformers 5.0 and 5.1"
            methods = " and ".join(unsaid)
            yield Finding(
                f"{name} has no {methods}; {when} the library's count on cls_token and sep_token, which it has not: "
                + ("ValueError: type of None unknown" if len(unsaid) > 1 else "a special_tokens_mask too long by two"),
                Remedy("advice", f"define {methods}, as transformers 4 did: no special token"),
                code.location(node),
                severity=judged.severity,
            )
