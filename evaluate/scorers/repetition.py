"""The answer does not go round in circles.

Why it matters: too many epochs, too high a learning rate or a missing end-of-turn token make a model say one thing
over and over.

How it scores: 0 where it is caught in a loop, 2 where whole sentences return, or most of what it says was said
before. 10 otherwise: a refrain, a list whose items begin alike and emphasis are no faults, and neither is what the
question asks to repeat.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from doctor.evaluate.loops import loop
from doctor.evaluate.model import Sample, Score, fine, unscored
from doctor.evaluate.words import fold, sentences, short, words

CAUGHT, RETURNS = 0.0, 2.0
_ASKED = re.compile(
    r"\b(?:repeat|times|over and over|chorus|refrain|song|poem|lyrics|chant|verse|lullaby|shanty|mantra|count)\b"
)
_CHARACTERS = re.compile(r"([^\s.\-_=*#~])\1{14,}|(\S{2,6}?)\2{8,}|[.!?]{25,}")


def score(sample: Sample, text: str, finish: str) -> Score:
    """From what returns in the text."""
    if not text.strip():
        return unscored("the answer is empty")
    asked = bool(_ASKED.search(fold(sample.question)))
    found = _loop(text, asked) or _characters(text) or (None if asked else _sentences(text) or _spread(text))
    return found or fine("says nothing twice")


def _loop(text: str, asked: bool) -> Score | None:
    found = loop(text)
    if found is None:
        return None
    length = len(words(text[found.start : found.end]))
    if length < (40 if asked else 5) or (asked and found.times < 8):
        return None
    unit = short(text[found.start : found.unit_end], 60)
    return Score(CAUGHT, f"says {unit!r} {found.times} times in a row", ((found.start, found.end),))


def _characters(text: str) -> Score | None:
    found = _CHARACTERS.search(text)
    if found is None:
        return None
    return Score(CAUGHT, f"is caught in {short(found[0], 40)!r}", (found.span(),))


def _sentences(text: str) -> Score | None:
    """Sentences of four words or more that return: three times, or twice where they are long or fill the answer."""
    places: dict[str, list[tuple[int, int]]] = {}
    for start, end in sentences(text):
        said = " ".join(word.text for word in words(text[start:end]))
        places.setdefault(said, []).append((start, end))
    total = len(words(text))
    for said, spans in places.items():
        size = said.count(" ") + 1
        again = (len(spans) - 1) * size
        often = len(spans) >= 3 and size >= 4
        if (
            size >= 4
            and (often or (len(spans) == 2 and (size >= 7 or again >= 0.3 * total)))
            and not _verse(text, spans)
        ):
            quote = short(text[slice(*spans[0])], 60)
            return Score(RETURNS, f"says {quote!r} {len(spans)} times", tuple(spans))
    return None


def _verse(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether what returns is a line of verse: lines without full stops, others between."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    open_lines = sum(not line.endswith((".", "!", "?")) for line in lines)
    apart = all(b[0] - a[1] > 25 for a, b in pairwise(spans))
    return len(lines) >= 6 and open_lines > len(lines) / 2 and apart


def _spread(text: str) -> Score | None:
    """Runs of five words that return all over the text."""
    found = words(text)
    if len(found) < 30:
        return None
    runs = [tuple(word.text for word in found[at : at + 5]) for at in range(len(found) - 4)]
    counts = Counter(runs)
    again = sum(number - 1 for number in counts.values())
    if again < 0.3 * len(runs):
        return None
    most, number = counts.most_common(1)[0]
    places = [(found[at].start, found[at + 4].end) for at, run in enumerate(runs) if run == most]
    share = round(100 * again / len(runs))
    return Score(RETURNS, f"{share} % of it was said before, {' '.join(most)!r} {number} times", tuple(places))
