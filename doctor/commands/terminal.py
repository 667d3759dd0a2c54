"""The terminal as rich sees it: colour only where it is one and NO_COLOR is not set."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.text import Text

from doctor.complaint import flush
from doctor.report.wording import printable

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def stdout() -> Console:
    """Where reports go."""
    return _console(sys.stdout)


def stderr() -> Console:
    """Where progress and errors go, behind all that stdout was given."""
    flush()
    return _console(sys.stderr)


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """The reader went away (`doctor fit | head`): rich would exit with 1, which says that something was found."""
        raise BrokenPipeError


def _console(file: TextIO) -> Console:
    return _Terminal(file=file, highlight=False, emoji=False)


def line(console: Console, *parts: str | tuple[str, str]) -> None:
    """One line, never wrapped or cut by us."""
    console.print(Text.assemble(*parts), soft_wrap=True)


def diff(text: str, console: Console) -> None:
    """A unified diff: in colour on a terminal, with control characters shown; elsewhere as `patch` reads it."""
    if not console.is_terminal:
        console.file.write(text)
        return
    for row in text.removesuffix("\n").split("\n"):
        style = "bold" if row.startswith(("+++", "---")) else _COLOURS.get(row[:1], "")
        line(console, (printable(row.expandtabs(4)), style))
