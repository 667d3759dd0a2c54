"""Packed rows that begin alike, with a system prompt above all, are computed behind one copy of their beginning.

Only what no row learns is shared, so the loss and its gradient are those of the rows alone: a token sees the beginning
and its own row, at the positions it would have there.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence
from itertools import groupby

from doctor.trainer.store import ITEM, Store

LEAST = 16
"""Tokens below which sharing is not worth a line of its own."""
DEEPEST = 50
"""How often a group is taken apart."""

Head = tuple[bytes, int]
"""What a row may share, as stored, and the row."""


def shared(store: Store, line: Sequence[int]) -> int:
    """Tokens that all rows of a line begin with, and none of them learns; 0 where it is one row, or they are few."""
    return _common(sorted(store.head(row) for row in line)) if len(line) > 1 else 0


def alike(store: Store, rows: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Rows by what they begin with: groups with the tokens that each shares, so that most tokens are saved.

    Rows that share with none are together in one group of 0.
    """
    rest: list[int] = []
    for tokens, group in _apart(sorted((store.head(row), row) for row in rows), 0)[1]:
        if tokens:
            yield tokens, group
        else:
            rest += group
    if rest:
        yield 0, rest


def _apart(heads: Sequence[Head], depth: int) -> tuple[int, list[tuple[int, list[int]]]]:
    """Sorted heads as one group, or as several where these save more tokens; and how many are saved."""
    tokens = _common([heads[0][0], heads[-1][0]]) if len(heads) > 1 else 0
    saved, groups = tokens * (len(heads) - 1), [(tokens, [row for _, row in heads])]
    if len(heads) == 1 or heads[0][0] == heads[-1][0] or depth == DEEPEST:
        return saved, groups
    known = _equal(heads[0][0], heads[-1][0]) * ITEM
    parts = [_apart(list(part), depth + 1) for _, part in groupby(heads, lambda one: one[0][known : known + ITEM])]
    if sum(one for one, _ in parts) > saved:
        return sum(one for one, _ in parts), [group for _, found in parts for group in found]
    return saved, groups


def _common(heads: Sequence[bytes]) -> int:
    """Tokens that sorted heads begin with, 0 where they are few."""
    tokens = _equal(heads[0], heads[-1])
    return tokens if tokens >= LEAST else 0


def _equal(one: bytes, other: bytes) -> int:
    return len(os.path.commonprefix([one, other])) // ITEM
