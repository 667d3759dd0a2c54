"""What is said on stderr, in its place: behind all that stdout was given, where both go to one file or pipe."""

from __future__ import annotations

import os
import sys


def complain(message: str) -> None:
    """One line that begins with the program's name."""
    from doctor.printable import printable

    flush()
    sys.stderr.write(f"doctor: {printable(' '.join(message.split()))}\n")


def flush() -> None:
    """Hand over what stdout still holds; where its reader went away, nothing more is written to it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # `doctor check | head`: the flush at exit must find an open file.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
