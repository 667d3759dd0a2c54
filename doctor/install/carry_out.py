"""An installation carried out and taken back, through the journal.

The versions that were there are on the disk, as a requirements file, before the installer starts.  Where it fails or
is interrupted they are put back at once; where the doctor itself was killed, `doctor undo` does it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from doctor.fix import Left, Refused
from doctor.fix.journal import BEFORE, Journal, Run
from doctor.install import Installation, resolver

Installed = Callable[[str], Mapping[str, str]]
"""Reads the versions that the environment of a prefix has now, by name."""
AGAIN = "run `doctor fix --packages` again"


def carry_out(wanted: Installation, journal: Journal, installed: Installed, command: Sequence[str] = ()) -> Run:
    """Install; raises Refused where the environment is not the one that was planned for, with nothing changed.

    `Run.state` is `undone` where the installer failed and what was there is back; then `Run.left` says why.
    """
    with journal.locked():
        now = installed(wanted.prefix)
        for move in wanted.moves:
            if now.get(move.name) != move.before:
                raise Refused(f"{move.name} is {now.get(move.name) or 'gone'} since the plan was made: {AGAIN}")
        if reason := resolver.way_back(wanted.moves, wanted.installer):
            raise Refused(f"the versions that are installed could not be had again ({reason}): install by hand")
        kept = {BEFORE: _requirements(wanted).encode()}
        run = journal.begin([], kept, installation=wanted, command=tuple(command or sys.argv))
        failed = _run(wanted.commands)
        if not failed:
            now = installed(wanted.prefix)
            wrong = [move for move in wanted.moves if now.get(move.name) != move.after]
            failed = f"{wrong[0].name} is {now.get(wrong[0].name) or 'not there'} afterwards" if wrong else ""
        if not failed:
            return journal.save(replace(run, state="done"))
        return _failed(run, failed, journal, installed)


def take_back(run: Run, journal: Journal, installed: Installed) -> Run:
    """Put back the versions before a run; the caller holds the journal's lock.

    Raises Refused, with nothing changed, where a version is neither the one before the run nor the one after it.
    """
    assert run.installation
    now = installed(run.installation.prefix)
    for move in run.installation.moves:
        # A killed installer leaves a distribution without metadata, or with those of either version.
        if now.get(move.name) not in (move.before, move.after, None):
            cure = f"pip install -r {journal.versions(run)}"
            raise Refused(f"{move.name} is {now[move.name]} since run {run.id} made it {move.after}: `{cure}` by hand")
    journal.save(replace(run, state="undoing"))
    if reason := _restored(run.installation, installed):
        raise Refused(f"{reason}: `pip install -r {journal.versions(run)}` by hand")
    return journal.save(replace(run, state="undone"))


def _failed(run: Run, reason: str, journal: Journal, installed: Installed) -> Run:
    """A run whose installer failed: what was there is put back."""
    assert run.installation
    left = [Left("installation", reason)]
    if problem := _restored(run.installation, installed):
        cure = f"run `doctor undo {run.id}`, or install {journal.versions(run)} by hand"
        note = "the installer failed, and what was there is not back"
        return replace(journal.save(replace(run, state="done", note=note)), left=(*left, Left("undo", problem, cure)))
    return replace(journal.save(replace(run, state="undone", note="the installer failed")), left=tuple(left))


def _restored(done: Installation, installed: Installed) -> str:
    """Put the versions before back where they are not; why that failed, empty where it did not."""
    failed = _run(done.way_back)
    now = installed(done.prefix)
    wrong = [move for move in done.moves if now.get(move.name) != move.before]
    return (failed or f"{wrong[0].name} is {now.get(wrong[0].name) or 'not there'}") if wrong else ""


def _run(commands: Sequence[Sequence[str]]) -> str:
    """Why one of the commands failed, empty where none did; an interrupt ends the installer, too, and is a failure."""
    for command in commands:
        try:
            done = resolver.run(command)
        except KeyboardInterrupt:
            return "interrupted"
        except subprocess.TimeoutExpired:
            return f"`{command[0]}` did not end within {resolver.LIMIT:g} seconds"
        except OSError as error:
            return f"{command[0]} cannot be started: {error.strerror}"
        if done.returncode:
            return resolver.said(done)
    return ""


def _requirements(wanted: Installation) -> str:
    new = [move.name for move in wanted.moves if move.before is None]
    head = f"# What {wanted.prefix} had before `doctor fix --packages`.\n"
    head += f"# To uninstall as well: {', '.join(new)}\n" if new else ""
    return head + "".join(f"{move.name}=={move.before}\n" for move in wanted.moves if move.before)
