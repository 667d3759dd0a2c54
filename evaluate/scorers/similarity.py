"""How much of the reference the answer shares, letter by letter (chrF).

Why it matters: where there is one right wording, as in translation or a fixed reply, likeness to it is a measure of
its own. It is none where an answer may be put in many ways: ask for it only where it fits.

How it scores: chrF, the F-score (recall counts twice) over runs of one to six characters without white space, from 0
for nothing shared to 10 for the same. Unscored without a reference.

Reference: https://aclanthology.org/W15-3049/
"""

from __future__ import annotations

from collections import Counter

from doctor.evaluate.model import BEST, Sample, Score, unscored

LONGEST, RECALL_COUNTS = 6, 2


def score(sample: Sample, text: str, finish: str) -> Score:
    """From the reference."""
    if not sample.reference:
        return unscored("the sample has no reference")
    alike = chrf(text, sample.reference)
    return Score(BEST * alike, f"shares {100 * alike:.0f} % of the reference by chrF")


def chrf(text: str, reference: str) -> float:
    """chrF of one text against one reference, from 0 to 1.

    >>> chrf("the same", "the same"), chrf("abc", "xyz")
    (1.0, 0.0)
    """
    said, wanted = ("".join(part.split()) for part in (text, reference))
    pairs = [(_runs(said, size), _runs(wanted, size)) for size in range(1, LONGEST + 1)]
    shares = [((a & b).total(), a.total(), b.total()) for a, b in pairs if a and b]
    if not shares:
        return 0.0
    precision = sum(both / a for both, a, _ in shares) / len(shares)
    recall = sum(both / b for both, _, b in shares) / len(shares)
    if not precision + recall:
        return 0.0
    weight = RECALL_COUNTS**2
    return (1 + weight) * precision * recall / (weight * precision + recall)


def _runs(text: str, size: int) -> Counter[str]:
    return Counter(text[at : at + size] for at in range(len(text) - size + 1))
