"""Rows that are the same, nearly the same, or answer one question in two ways, found in bounded memory.

A table holds LIMIT rows.  When it is full, the rows whose hash is odd are forgotten, then those not divisible by four,
and so on: what is left is a fair sample, and counts of it are scaled up.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple
from zlib import crc32

LIMIT = 200_000
TAIL = 240
"""Characters of a row, its answer among them, that are compared word for word."""
SHINGLE, KEPT, ALIKE = 3, 8, 6
"""Words a shingle has; smallest shingles kept of a row; how many of them two rows must share to be nearly the same."""
MASK = (1 << 64) - 1


def digest(text: str) -> int:
    """64 bits that stand for a text; the same in every run."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class Table:
    """Hash to whatever was kept of the first row that had it."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.every, self.rows = limit, 1, dict[int, Any]()

    def first(self, key: int, kept: Any) -> Any:
        """What was kept of the first row with this hash; None where this one is the first, or not in the sample."""
        if key % self.every:
            return None
        found = self.rows.setdefault(key, kept)
        if len(self.rows) > self.limit:
            self.every *= 2
            self.rows = {known: value for known, value in self.rows.items() if known % self.every == 0}
        return None if found is kept else found


def words(text: str) -> list[bytes]:
    """The words of a text, in lower case and without punctuation."""
    return text[-TAIL:].lower().encode("utf-8", "surrogatepass").translate(_LETTERS).split()


_LETTERS = bytes(c if c > 127 or chr(c).isalnum() else 32 for c in range(256))


def sketch(found: list[bytes]) -> tuple[int, ...]:
    """The smallest hashes of runs of words; rows that share most of them are nearly the same."""
    if len(found) < SHINGLE + KEPT:
        return ()
    hashes = list(map(crc32, found))
    runs = map(hash, zip(hashes, hashes[1:], hashes[2:], strict=False))
    return tuple(sorted(set(runs))[:KEPT])


class Print(NamedTuple):
    """What stands for a row: its question, everything before the last answer, and that answer."""

    question: int
    answer: int

    @property
    def whole(self) -> int:
        """The row as a whole; numbers hash the same in every run."""
        return hash(self) & MASK


def fingerprint(question: str, answer: str) -> Print:
    """The print of a row."""
    return Print(digest(question), digest(answer.strip()))


class Fingerprints:
    """What is known of the rows of one data set."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.whole, self.questions, self.near = Table(limit), Table(limit), Table(limit)

    @property
    def scale(self) -> dict[str, int]:
        """How many rows each one that was counted stands for."""
        tables = {"duplicate": self.whole, "near-duplicate": self.near, "contradiction": self.questions}
        return {name: table.every for name, table in tables.items()}

    def same(self, number: int, row: Print) -> int | None:
        """The row with the very same words, None where there is none."""
        found: int | None = self.whole.first(row.whole, number)
        return found

    def alike(self, number: int, found: list[bytes]) -> int | None:
        """The row with nearly the same words."""
        smallest = sketch(found)
        if not smallest:
            return None
        kept = self.near.first(smallest[0], (number, smallest))
        if kept is None or len(set(kept[1]) & set(smallest)) < ALIKE:
            return None
        return int(kept[0])

    def answered(self, number: int, row: Print) -> int | None:
        """The row that answers the same question in another way."""
        kept = self.questions.first(row.question, (number, row.answer))
        return int(kept[0]) if kept and kept[1] != row.answer else None

    def knows(self, row: Print, asked: bool) -> int | None:
        """The row that says the same; of one that is `asked` a question, the row that asks the same."""
        known = self.whole.rows.get(row.whole)
        if known is None and asked and (kept := self.questions.rows.get(row.question)):
            known = kept[0]
        return known
