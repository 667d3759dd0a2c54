"""`doctor undo [RUN]`: what a fix changed, as it was; what it installed, from the package index."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from doctor.complaint import complain
from doctor.report.wording import count, printable

if TYPE_CHECKING:
    from doctor.install import Installation


def run(options: argparse.Namespace) -> int:
    """Restore the files of a run (default: the last one); 1 where it is refused or could not restore all of them."""
    from doctor.commands.packages import installed
    from doctor.fix import Refused
    from doctor.fix.journal import Journal

    try:
        done = Journal(None).undo(options.run, installed)
    except Refused as refused:
        complain(f"nothing was restored: {refused}")
        return 1
    if done.installation:
        _say(done.id, done.installation)
        return 0
    left = {each.path for each in done.left}
    restored = [entry for entry in done.entries if entry.path not in left]
    sys.stdout.write(f"Restored {count(len(restored), 'file')} of run {done.id}:\n")
    for entry in restored:
        sys.stdout.write(f"  {printable(_short(entry.path))}{' (removed)' if entry.before is None else ''}\n")
    for each in done.left:
        sys.stdout.write(f"! {printable(str(each))}\n")
    return int(bool(left))


def _say(run: str, made: Installation) -> None:
    sys.stdout.write(f"Put back {count(len(made.moves), 'distribution')} of run {run} in {_short(made.prefix)}:\n")
    for move in made.moves:
        sys.stdout.write(f"  {printable(str(move.back))}\n")


def _short(path: str) -> str:
    for folder, sign in ((Path.cwd(), ""), (Path("~").expanduser(), "~")):
        if Path(path).is_relative_to(folder):
            return str(Path(sign, Path(path).relative_to(folder)))
    return path
