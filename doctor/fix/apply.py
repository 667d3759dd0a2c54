"""A Plan to files.  The only module, with `undo`, that changes what it did not make.

Every original and the manifest are on the disk before the first file is touched; every new file is written whole
beside its place before the first one takes it, so that a full disk is met while nothing has changed.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from doctor.fix import Left, Refused
from doctor.fix.files import in_blobs, make, stage, sync, unmake
from doctor.fix.journal import Entry, Journal, Run
from doctor.fix.plan import Edit, Plan

ANEW = "run `doctor fix` again"
UNTOUCHED = "patch it while it is imported: `doctor run -- CMD`"


@dataclass(frozen=True)
class _Task:
    """An edit that may be applied: what is written where, and what was there."""

    edit: Edit
    entry: Entry
    original: bytes | None


def apply(plan: Plan, journal: Journal, command: Sequence[str] = ()) -> Run:
    """Write the edits of a plan.  `Run.left` says which files were left as they are, and why."""
    if not plan.edits:
        return Run()
    with journal.locked():
        tasks, left = _tasks(plan)
        if not tasks:
            return Run(left=tuple(left))
        originals = {task.entry.before: task.original for task in tasks}
        run = journal.begin(
            [task.entry for task in tasks],
            {name: data for name, data in originals.items() if name is not None and data is not None},
            command=tuple(command or sys.argv),
            made=_missing(tasks),
        )
        applied, failed = _write(run, tasks)
        run = replace(run, state="done" if applied else "undone", entries=tuple(applied))
        if not applied:
            unmake(run.made)
        with suppress(Refused):  # The disk is full by now: the next fix or undo works the same out from the digests.
            journal.save(run)
        return replace(run if applied else Run(), left=(*left, *failed))


def _tasks(plan: Plan) -> tuple[list[_Task], list[Left]]:
    tasks: dict[str, _Task] = {}
    left: list[Left] = []
    for edit in plan.edits:
        try:
            task = _checked(edit)
        except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError before Python 3.13
            reason = getattr(error, "strerror", None) or error
            left.append(Left(edit.path, f"cannot be read: {reason}", UNTOUCHED))
            continue
        if isinstance(task, Left):
            left.append(task)
        elif task is not None:
            tasks.setdefault(task.entry.path, task)
    return list(tasks.values()), left


def _checked(edit: Edit) -> _Task | Left | None:
    """The edit as a task where the file is still what the plan was made from, None where it is done already."""
    path = Path(edit.path)
    after = hashlib.sha256(edit.data).hexdigest()
    if edit.digest is None and not os.path.lexists(path):
        return _Task(edit, Entry(str(path.parent.resolve() / path.name), None, after, edit.patches), None)
    # A copy to be created that was not scanned, but is there, is the same edit if it is what it would be made from.
    expected = edit.digest or hashlib.sha256(edit.before.encode(edit.encoding)).hexdigest()
    real = path.resolve()
    link = str(path.readlink()) if edit.link and path.is_symlink() else None
    if link is not None:
        real = path.parent.resolve() / path.name
    elif in_blobs(real):
        return Left(edit.path, f"links into the hub's blobs ({real}) since the plan was made", ANEW)
    original = path.read_bytes()
    found = hashlib.sha256(original).hexdigest()
    if found == after and edit.digest is None:
        return None
    if found != expected:
        return Left(edit.path, f"is not the file the plan was made from (now {found[:12]}, then {expected[:12]})", ANEW)
    mode = stat.S_IMODE(path.stat().st_mode)
    return _Task(edit, Entry(str(real), found, after, edit.patches, mode, link), original)


def _missing(tasks: Sequence[_Task]) -> tuple[str, ...]:
    """The folders and `__init__.py` files that are not there yet, in the order of their making."""
    missing: dict[str, None] = {}
    for task in tasks:
        for folder in map(Path, task.edit.packages):
            missing |= {str(path): None for path in (folder, folder / "__init__.py") if not path.exists()}
    return tuple(missing)


def _write(run: Run, tasks: Sequence[_Task]) -> tuple[list[Entry], list[Left]]:
    staged: list[tuple[_Task, Path]] = []
    left: list[Left] = []
    for place, task in enumerate(tasks):
        temporary = run.temporary(place)
        try:
            make(task.edit.packages)
            stage(temporary, task.edit.data, None if task.original is None else Path(task.edit.path))
            staged.append((task, temporary))
        except OSError as error:
            _discard(temporary)
            left.append(Left(task.edit.path, f"cannot be written: {error.strerror}", UNTOUCHED))
    applied: list[Entry] = []
    for task, temporary in staged:
        reason = _place(task, temporary)
        if reason is None:
            applied.append(task.entry)
        else:
            _discard(temporary)
            left.append(reason)
    for folder in {Path(entry.path).parent for entry in applied}:
        sync(folder)
    return applied, left


def _place(task: _Task, temporary: Path) -> Left | None:
    """Put the new file in its place, unless the old one changed while the others were written."""
    path = Path(task.entry.path)
    try:
        if task.entry.state() != "old":
            return Left(task.edit.path, "changed while the fix was written", ANEW)
        temporary.replace(path)
    except OSError as error:
        return Left(task.edit.path, f"cannot be written: {error.strerror}", UNTOUCHED)
    return None


def _discard(temporary: Path) -> None:
    with suppress(OSError):  # the folder is gone, or read-only by now
        temporary.unlink()
