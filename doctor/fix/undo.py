"""A run back to the files as they were.  Begun again after a crash, it ends the same: digests tell what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from doctor.fix import Left, Refused
from doctor.fix.files import digest, stage, sync, unmake
from doctor.fix.journal import Entry, Journal, Run


def undo(journal: Journal, run_id: str | None, installed: Callable[[str], Mapping[str, str]]) -> Run:
    """Restore the files or the distributions of a run; the caller holds the journal's lock.  See `Journal.undo`."""
    run = _chosen(journal, run_id)
    _refuse_below_newer(journal, run)
    if run.installation:
        from doctor.install.carry_out import take_back

        return take_back(run, journal, installed)
    states = [entry.state() for entry in run.entries]
    _refuse_changed(journal, run, states)
    journal.save(replace(run, state="undoing"))
    left: list[Left] = []
    for place, (entry, state) in enumerate(zip(run.entries, states, strict=True)):
        if state == "gone" and not Path(entry.path).parent.is_dir():
            left.append(Left(entry.path, "its folder is gone: there is nothing to restore"))
        elif state != "old":
            _restore(journal, run, place, entry)
    for folder in {Path(entry.path).parent for entry in run.entries}:
        if folder.is_dir():
            sync(folder)
    unmake(run.made)
    return replace(journal.save(replace(run, state="undone")), left=tuple(left))


def _chosen(journal: Journal, run_id: str | None) -> Run:
    runs = journal.runs()
    if run_id is None:
        live = [run for run in runs if run.state not in ("undone", "unreadable")]
        if not live:
            raise Refused(f"the journal in {journal.root} holds no fix that could be undone")
        return live[-1]
    found = next((run for run in runs if run.id == run_id), None)
    if found is None:
        known = ", ".join(run.id for run in runs[-5:]) or "none"
        raise Refused(f"the journal in {journal.root} holds no run {run_id} (the last ones: {known})")
    if found.state == "unreadable":
        raise Refused(f"run {run_id} cannot be undone: {found.note}")
    if found.state == "undone":
        raise Refused(f"run {run_id} is undone already")
    return found


def _refuse_below_newer(journal: Journal, run: Run) -> None:
    changed = _changed(run)
    runs = journal.runs()
    for newer in reversed(runs[[r.id for r in runs].index(run.id) + 1 :]):
        shared = changed & _changed(newer)
        if shared and newer.state != "undone":
            raise Refused(f"run {newer.id} changed {min(shared)} after run {run.id}: `doctor undo {newer.id}` first")


def _changed(run: Run) -> set[str]:
    """The files of a run, and its distributions, each with its environment."""
    made = run.installation
    moved = [f"{move.name} in {made.prefix}" for move in made.moves] if made else []
    return {*(entry.path for entry in run.entries), *moved}


def _refuse_changed(journal: Journal, run: Run, states: Sequence[str]) -> None:
    for entry, state in zip(run.entries, states, strict=True):
        kept = journal.original(run, entry)
        if state == "changed":
            cure = f"`cp {kept} {entry.path}`" if entry.before else f"`rm {entry.path}`"
            raise Refused(
                f"{entry.path} changed since run {run.id} wrote it: save your version elsewhere, {cure}, "
                f"then `doctor undo {run.id}`"
            )
        if state in ("new", "gone") and entry.before is not None and digest(kept) != entry.before:
            raise Refused(f"{kept}, the original of {entry.path}, is damaged: nothing was restored")


def _restore(journal: Journal, run: Run, place: int, entry: Entry) -> None:
    path, temporary = Path(entry.path), run.temporary(place)
    temporary.unlink(missing_ok=True)
    try:
        if entry.before is None:
            path.unlink()
        elif entry.link is not None:
            temporary.symlink_to(entry.link)
            temporary.replace(path)
        else:
            stage(temporary, journal.original(run, entry).read_bytes(), path if path.exists() else None)
            if entry.mode is not None:
                temporary.chmod(entry.mode)
            temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Refused(
            f"{entry.path} cannot be restored ({error.strerror}): make it writable, then `doctor undo {run.id}` again"
        ) from error
