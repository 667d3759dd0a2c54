"""`doctor list`: every check, breakage and patch."""

from __future__ import annotations

import argparse

from doctor import breakages, index
from doctor.commands.terminal import stdout
from doctor.diagnose import checks

STYLES = {"error": "red", "warning": "yellow", "hint": "cyan"}


def run(_: argparse.Namespace) -> int:
    """Print one table a kind on a terminal; elsewhere one line a unit, its fields apart by tabs."""
    console = stdout()
    if not console.is_terminal:
        console.file.write("".join("\t".join(row) + "\n" for row in rows()))
        return 0
    from rich.table import Table
    from rich.text import Text

    for kind in ("check", "breakage", "patch"):
        table = Table(box=None, pad_edge=False, show_header=False, title_justify="left")
        found = [row for row in rows() if row[1] == kind]
        for name, _kind, severity, family, title in found:
            told = (Text(severity, STYLES[severity]), Text(family, "dim")) if severity else ()
            table.add_row(Text(name, "bold", no_wrap=True), *told, Text(title))
        console.print(Text(f"\n{len(found)} {kind}{'es' if kind == 'patch' else 's'}", "bold underline"))
        console.print(table)
    console.print(Text("\nThe page of one: doctor explain ID", "dim"))
    return 0


def rows() -> list[tuple[str, str, str, str, str]]:
    """Id, kind, severity, family and title of everything."""
    known = {check.id for check in breakages.load()}
    asked = [(c.id, "breakage" if c.id in known else "check", c.severity.value, c.family, c.title) for c in checks()]
    return [*asked, *((entry.id, "patch", "", "", entry.title) for entry in index.entries())]
