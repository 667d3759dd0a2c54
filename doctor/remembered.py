"""What was found out of the file in hand: asked once, and forgotten when the next file comes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, TypeVar

Asked = TypeVar("Asked", bound=Hashable)
Answer = TypeVar("Answer")
_KEPT: list[Any] = []


def remembered(files: int) -> Callable[[Callable[[Asked], Answer]], Callable[[Asked], Answer]]:
    """A function that is asked once of each of the last so many files, until all are forgotten."""

    def keep(function: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        kept = lru_cache(maxsize=files)(function)
        _KEPT.append(kept)
        return kept

    return keep


def forget() -> None:
    """Let go of all files.  A syntax tree takes megabytes: one that lives on makes the next ones slow to walk."""
    for kept in _KEPT:
        kept.cache_clear()
