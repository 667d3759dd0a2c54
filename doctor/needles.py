"""Which of many byte strings a file holds, asked of thousands of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

STEM = 5
"""Bytes that needles must share to be a group; fewer occur everywhere, more are shared by few needles."""


def groups(needles: Iterable[bytes]) -> list[tuple[bytes, tuple[bytes, ...]]]:
    """What several needles have in common, and they, the widest group first; those that share nothing are alone.

    Searching for each needle in turn is as fast as memory, but there are dozens of them and nearly every file has
    none.  So what several have in common is searched for first, and they only where it is found.
    """
    found: list[tuple[bytes, tuple[bytes, ...]]] = []
    left = sorted(set(needles))
    while left:
        stems = Counter(stem for needle in left for stem in _stems(needle))
        stem, count = max(stems.items(), key=lambda counted: (counted[1], counted[0]), default=(b"", 0))
        if count < 2:
            break
        group = tuple(needle for needle in left if stem in needle)
        found.append((_shared(group), group))
        left = [needle for needle in left if stem not in needle]
    return [*found, *((needle, (needle,)) for needle in left)]


def _stems(needle: bytes) -> set[bytes]:
    return {needle[at : at + STEM] for at in range(len(needle) - STEM + 1)}


def _shared(group: tuple[bytes, ...]) -> bytes:
    """The longest part that all needles of a group have: the longer, the faster it is searched for."""
    first = min(group)
    parts = (first[a:b] for a in range(len(first)) for b in range(a + STEM, len(first) + 1))
    return max((part for part in parts if all(part in needle for needle in group)), key=len)
