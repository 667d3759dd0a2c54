"""One line on the terminal while something takes longer than one expects."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

DELAY = 0.7
"""Seconds after which silence looks like a hang."""


@contextmanager
def patience(what: str) -> Iterator[None]:
    """Say what is being done, where that takes its time and stderr is a terminal; the line is cleared at the end."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from threading import Timer

    said: list[str] = []

    def say() -> None:
        said.append(what)
        sys.stderr.write(f"\r{what} ...")
        sys.stderr.flush()

    timer = Timer(DELAY, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if said:
            sys.stderr.write(f"\r{' ' * (len(what) + 4)}\r")
            sys.stderr.flush()
