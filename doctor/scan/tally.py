"""Counting what is seen in rows, with the first of them as examples."""

from __future__ import annotations

from dataclasses import dataclass, field

from doctor.model import Row, Seen

EXAMPLES = 3
WIDTH = 60
"""Characters of a row that an example shows."""
KINDS = 200
"""Different things that are counted; data that brings more of them is not what it says."""


@dataclass
class Tally:
    """Names to counts."""

    counts: dict[str, list[int]] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    """The row that each was seen in last; 0 where its number is not known."""

    def add(self, name: str, number: int, text: str = "", amount: int = 0) -> None:
        """One more row in which something is seen; a row in which it is seen twice is one row.

        >>> made = Tally()
        >>> for number in (3, 7, 7):
        ...     made.add("bos-doubled", number, amount=1)
        >>> made.seen()["bos-doubled"].rows, made.seen()["bos-doubled"].amount
        (2, 3)
        """
        count = self.counts.get(name)
        if count is None:
            if len(self.counts) >= KINDS:
                return
            count = self.counts[name] = [0, 0]
            self.rows[name] = []
        count[1] += amount
        if number and self.last.get(name) == number:
            return
        self.last[name] = number
        count[0] += 1
        if len(self.rows[name]) < EXAMPLES:
            # Why a row cannot be read is said in our words, and whole.
            self.rows[name].append(Row(number, excerpt(text, 4 * WIDTH if name == "malformed" else WIDTH)))

    def seen(self, scale: dict[str, int] | None = None) -> dict[str, Seen]:
        """The counts as facts; those of `scale` stand for so many rows each."""
        times = scale or {}
        return {
            name: Seen(rows * times.get(name, 1), tuple(self.rows[name]), amount)
            for name, (rows, amount) in sorted(self.counts.items())
        }


def excerpt(text: str, width: int = WIDTH) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[: 4 * width].split())
    return line if len(line) <= width else line[: width - 1] + "…"
