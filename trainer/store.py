"""Encoded rows on disk, four bytes a token, so that memory does not grow with them."""

from __future__ import annotations

import tempfile
from array import array
from dataclasses import dataclass, field
from typing import Any

from doctor.chat.mask import IGNORED
from doctor.trainer.encode import Encoded

ITEM = 4
"""Bytes of a stored token."""


@dataclass
class Store:
    """Rows on disk; a token that is not learnt is stored as its complement."""

    file: Any = field(default_factory=tempfile.TemporaryFile)
    starts: array[int] = field(default_factory=lambda: array("q", [0]))
    learnt: array[int] = field(default_factory=lambda: array("i"))

    def add(self, row: Encoded) -> None:
        """Append a row."""
        stored = array("i", (n if n == label else ~n for n, label in zip(row.ids, row.labels, strict=True)))
        self.file.write(stored.tobytes())
        self.starts.append(self.starts[-1] + len(stored))
        self.learnt.append(sum(label != IGNORED for label in row.labels[1:]))

    def __del__(self) -> None:
        self.file.close()

    def __len__(self) -> int:
        return len(self.learnt)

    def length(self, row: int) -> int:
        """Tokens of a row."""
        return self.starts[row + 1] - self.starts[row]

    def __getitem__(self, row: int) -> tuple[list[int], list[int]]:
        """Ids and labels."""
        stored = array("i")
        stored.frombytes(self._bytes(row))
        return [n if n >= 0 else ~n for n in stored], [n if n >= 0 else IGNORED for n in stored]

    def head(self, row: int) -> bytes:
        """What of a row, as stored, precedes the token from which the first that is learnt is predicted."""
        stored = array("i")
        stored.frombytes(self._bytes(row))
        first = next((place for place, n in enumerate(stored) if place and n >= 0), len(stored))
        return stored[: max(first - 1, 0)].tobytes()

    def _bytes(self, row: int) -> bytes:
        self.file.seek(self.starts[row] * ITEM)
        found: bytes = self.file.read(self.length(row) * ITEM)
        return found
