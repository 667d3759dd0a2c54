"""Whether a text goes round in circles, and where the circle begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doctor.evaluate.words import Word, words

LONGEST = 60
"""The longest unit, in words, whose return is looked for."""


@dataclass(frozen=True)
class Loop:
    """One unit said over and over: where the run stands in the text, how often, and where the first unit ends."""

    start: int
    end: int
    times: int
    unit_end: int


def loop(text: str) -> Loop | None:
    """The longest run of one unit said over and over; None where there is none.

    A single word must return five times, two words four times, longer units three times: `very, very, very` is no loop.
    """
    found = words(text)
    best: Loop | None = None
    for size in range(1, min(LONGEST, len(found) // 2) + 1):
        run = _longest_run(found, size)
        if run and (best is None or run.end - run.start > best.end - best.start):
            best = run
    return best


def _needed(size: int) -> int:
    return {1: 5, 2: 4}.get(size, 3)


def _longest_run(found: Sequence[Word], size: int) -> Loop | None:
    """The longest stretch in which every word is the one `size` places before it."""
    best, first = (0, 0), 0
    for at in range(size, len(found) + 1):
        if at < len(found) and found[at].text == found[at - size].text:
            continue
        if at - first > best[1] - best[0]:
            best = first, at
        first = at - size + 1
    times = (best[1] - best[0]) // size
    laughs = size == 1 and len(found[best[0]].text) <= 3 and times < 12
    if times < _needed(size) or laughs:
        return None
    first, last = best
    return Loop(found[first].start, found[last - 1].end, times, found[first + size - 1].end)


def ends_in_loop(text: str) -> bool:
    """Whether the text is still going round where it ends."""
    round_and_round = loop(text)
    return bool(round_and_round and len(text.rstrip()) - round_and_round.end < 12)
