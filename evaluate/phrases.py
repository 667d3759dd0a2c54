"""Whether a text says something, and whether it says it or denies it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor.evaluate.model import Expectation
from doctor.evaluate.words import fold, numbers, sentences

Span = tuple[int, int]

_ARTICLE = (
    r"(?:(?:a|an|the|my|your|his|her|our|their|any|some|really|actually|called|named|in|at|on|from|to|by|of|for)\s+)"
)
_BE = r"(?:is|are|was|were|am|be|been|'s|'re|'m)"
_DENIED_BEFORE = re.compile(
    rf"(?:(?:{_BE}\s+(?:not|never)|(?:is|are|was|were)n't|ain't|\bnot|\bnor|\bneither|\bwithout|instead\s+of|rather\s+than"
    r"|\bno\s+longer|(?:do|does|did)(?:\s+not|n't)\s+(?:have|know|own)|(?:have|has|had)\s+no"
    r"|(?:have|has|had)(?:\s+not|n't)\s+(?:got\s+)?(?:been|heard|met|seen|known|visited)?"
    r"|there\s+(?:is|was|are|were)\s+no|\bno"
    rf"|never\s+(?:been|heard|met|seen|knew|known|visited|lived|worked|had|owned))\s+){_ARTICLE}*(?:[\w'-]+\s+)?{_ARTICLE}*"
    r"[\"'(*_]*$"
)
_NOT_A_DENIAL = re.compile(
    r"(?:not\s+(?:only|just|merely|simply|far|until|unlike|to\s+mention)|no\s+(?:doubt|wonder|one\s+but|other\s+than))\b[^.]*$"
)
_DENIED_AFTER = re.compile(
    rf"^[\"')*_]*\s*(?:,\s*no\b|(?:{_BE}|would\s+be)\s+(?:wrong|false|incorrect|untrue|not\s+(?:true|correct|right|so|it)|a\s+(?:myth|lie|mistake))"
    r"|(?:is|are|was|were)n't\s+(?:true|correct|right|so|it)|\?\s+no\b)"
)
_SUBJECT_DENIED = re.compile(rf"^\s*(?:{_BE}\s+not|(?:is|are|was|were)n't)\s+(?:my|your|his|her|our|their|the|a|an)\b")
_SPACED = re.compile("[^\\W\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""A letter or digit of a script that parts its words by spaces, as Chinese, Japanese and Thai do not."""
_CLAUSE = re.compile(r"[,;:(]|\s-\s|\b(?:but|however|although|though|while|whereas|yet)\b")


def said(expected: Expectation, text: str) -> Span | None:
    """Where a text says what is expected, the first place where it does not deny it; None where there is none."""
    return next(
        (span for span in mentions(expected, text) if expected.regex is not None or not denied(text, span)), None
    )


def mentions(expected: Expectation, text: str) -> Iterator[Span]:
    """Every place where the phrase, its aliases, the pattern or the number occurs, said or denied."""
    for phrase in expected.texts:
        yield from occurrences(phrase, text)
    if expected.regex is not None:
        yield from (found.span() for found in re.finditer(expected.regex, text, re.IGNORECASE | re.MULTILINE))
    if expected.number is not None:
        for value, start, end in numbers(text):
            if abs(value - expected.number) <= expected.tolerance + 1e-9 * max(1.0, abs(value)):
                yield start, end
    for alternative in expected.any:
        yield from mentions(alternative, text)


def occurrences(phrase: str, text: str) -> Iterator[Span]:
    """Where a phrase stands as whole words, whatever its case, accents, hyphens and white space."""
    parts = [re.escape(part) for part in re.split(r"[\s-]+", fold(phrase).strip()) if part]
    if not parts:
        return
    before = r"(?<!\w)" if _SPACED.match(fold(phrase).strip()) else ""
    after = r"(?!\w)" if _SPACED.match(fold(phrase).strip()[-1]) else ""
    folded = fold(text)
    yield from (found.span() for found in re.finditer(before + r"[\s*_-]+".join(parts) + after, folded))


def denied(text: str, span: Span) -> bool:
    """Whether the words at a place are denied: `not in Lund`, `never heard of Tom`, `Paris is wrong`.

    >>> denied("I live in Lund, not in Paris.", (23, 28)), denied("I live in Lund, not in Paris.", (10, 14))
    (True, False)
    """
    start, end = next(((a, b) for a, b in sentences(text) if a <= span[0] < b), (0, len(text)))
    folded = fold(text)
    before, after = folded[start : span[0]], folded[span[1] : end + 12]
    clause = before[max((found.end() for found in _CLAUSE.finditer(before)), default=0) :]
    if _DENIED_AFTER.match(after) or _SUBJECT_DENIED.match(after):
        return True
    return bool(_DENIED_BEFORE.search(clause)) and not _NOT_A_DENIAL.search(clause)
