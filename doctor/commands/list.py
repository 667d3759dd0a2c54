"""`doctor list`: every check, patch and breakage."""

from __future__ import annotations

import argparse

from doctor import index
from doctor.commands.terminal import stdout
from doctor.diagnose import checks


def run(_: argparse.Namespace) -> int:
    """Print the table: id, kind, severity, family, title."""
    from rich.table import Table
    from rich.text import Text

    table = Table("id", "kind", "severity", "family", "title", box=None, pad_edge=False, header_style="bold")
    for row in rows():
        table.add_row(*(Text(cell) for cell in row))
    console = stdout()
    if console.is_terminal:
        console.print(table)
    else:
        console.file.write("".join("\t".join(row) + "\n" for row in rows()))
    return 0


def rows() -> list[tuple[str, str, str, str, str]]:
    """The table's rows, in the order of checks, breakages, patches."""
    asked = [(check.id, "check", check.severity.value, check.family, check.title) for check in checks()]
    mended = [(entry.id, "patch", "", "", entry.title) for entry in index.entries()]
    return asked + mended
