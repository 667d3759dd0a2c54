"""Many files on all cores: work on a list, done by several processes where there is enough of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
MOST = 8
"""Processes at a time; each takes the memory of a syntax tree or two."""
PARTS = 8
"""Parts of the work for each process, so that none waits long for the last one."""
_job: Callable[[int, int], Any] | None = None


def cores() -> int:
    """How many processes work beside each other; only Linux forks one safely, and quickly enough."""
    return min(MOST, len(os.sched_getaffinity(0))) if sys.platform == "linux" else 1


def spread(work: Callable[[Sequence[Item]], Answer], items: Sequence[Item], hands: int) -> Iterator[Answer]:
    """What `work` answers for part after part of the items, in their order.

    The parts go to `hands` forked processes, which see what this one has in memory; the answers are pickled.  With one
    hand it is this process that works.
    """
    if hands < 2:
        yield work(items)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    size = max(1, len(items) // (hands * PARTS))
    starts = range(0, len(items), size)
    pool = ProcessPoolExecutor(hands, get_context("fork"), _begin, (lambda start, end: work(items[start:end]),))
    try:
        yield from pool.map(_part, starts, (start + size for start in starts))
    finally:
        pool.shutdown(cancel_futures=True)  # after an interrupt, what is not begun is not waited for


def _begin(job: Callable[[int, int], Any]) -> None:
    """What a new process does first; an interrupt is for the one that started it."""
    import signal

    global _job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _job = job


def _part(start: int, end: int) -> Any:
    assert _job is not None
    return _job(start, end)
