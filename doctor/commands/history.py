"""`doctor history`: the fixes applied so far."""

from __future__ import annotations

import argparse
import sys

from doctor.report.wording import count, printable


def run(_: argparse.Namespace) -> int:
    """Print one block per run, the newest last."""
    from doctor.fix.journal import Journal

    journal = Journal(None)
    runs = journal.runs()
    if not runs:
        sys.stdout.write(f"No fix so far: {journal.root} holds none.\n")
    for each in runs:
        state = each.state if each.state != "done" else f"undo with: doctor undo {each.id}"
        note = f" ({each.note})" if each.note else ""
        made = each.installation
        what = count(len(made.moves), "distribution") if made else count(len(each.entries), "file")
        sys.stdout.write(f"{each.id}  {each.time}  {what}  {printable(state + note)}\n")
        for entry in each.entries:
            sys.stdout.write(f"    {printable(entry.path)}  {count(len(entry.patches), 'patch', 'patches')}\n")
        for move in made.moves if made else ():
            sys.stdout.write(f"    {printable(f'{move} in {made.prefix}' if made else '')}\n")
    return 0
