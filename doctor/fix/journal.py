"""What every fix did, so that it can be undone byte for byte.

One folder per run below the root: `manifest.json` and, in `originals/`, the replaced files by their digest.  Both
are on the disk before the first file of a run is touched.  Whether an entry was applied is never recorded: the
digest of the file tells, after a crash as well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import doctor
from doctor.fix import Left, Refused
from doctor.fix.files import digest, stage, sync, unmake, write
from doctor.install import Installation, installation

SCHEMA = 1
BEFORE = "requirements.txt"
STATES = ("started", "done", "undoing", "undone")
PATIENCE = 30.0
"""Seconds to wait for another fix or undo."""
_ID = re.compile(r"\d{8}-\d{6}-\d+")


@dataclass(frozen=True)
class Entry:
    """One file of a run."""

    path: str
    before: str | None
    """Digest of the original; None: the file was created."""
    after: str
    patches: tuple[str, ...] = ()
    mode: int | None = None
    link: str | None = None
    """Target of the link that the file replaced."""

    def state(self) -> Literal["old", "new", "gone", "changed"]:
        """Which of the two files is there now."""
        path = Path(self.path)
        if path.is_symlink():
            return "old" if self.link is not None and str(path.readlink()) == self.link else "changed"
        try:
            now = digest(path)
        except OSError:
            return "changed"
        if now == self.after:
            return "new"
        if now is None:
            return "old" if self.before is None else "gone"
        return "old" if now == self.before and self.link is None else "changed"


@dataclass(frozen=True)
class Run:
    """One `doctor fix`.  An empty id: nothing was written."""

    id: str = ""
    time: str = ""
    version: str = doctor.__version__
    command: tuple[str, ...] = ()
    state: Literal["started", "done", "undoing", "undone", "unreadable"] = "done"
    entries: tuple[Entry, ...] = ()
    made: tuple[str, ...] = ()
    """Folders and `__init__.py` files that were created on the way, outermost first."""
    note: str = ""
    installation: Installation | None = None
    """What `doctor fix --packages` installed; such a run writes no file of its own."""
    left: tuple[Left, ...] = ()
    """What this call could not do; not kept."""

    def temporary(self, place: int) -> Path:
        """Where the new file of an entry is written before it takes its place."""
        return Path(self.entries[place].path).with_name(f".doctor-{self.id}-{place}.tmp")


def _unknown(prefix: str) -> Mapping[str, str]:
    raise Refused(f"this undo cannot look into {prefix}: run `doctor undo`")


class Journal:
    """The runs below a root: `DOCTOR_STATE_DIR`, or the user's state folder."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or _default_root()
        self.folder = self.root / "runs"

    def runs(self) -> tuple[Run, ...]:
        """Every run, the oldest first; one whose manifest cannot be read has the state `unreadable` and a note."""
        if not self.folder.is_dir():
            return ()
        names = [path.name for path in self.folder.iterdir() if _ID.fullmatch(path.name)]
        return tuple(self._read(name) for name in sorted(names, key=_order))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other fix and undo out, and clear up after one that was killed."""
        import filelock

        lock = filelock.FileLock(self.root / "lock", timeout=PATIENCE)
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock.acquire()
        except filelock.Timeout as error:
            raise Refused(f"another fix or undo holds {lock.lock_file}: wait for it to end") from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._recover()
            yield
        finally:
            lock.release()

    def begin(self, entries: Sequence[Entry], originals: Mapping[str, bytes], **fields: Any) -> Run:
        """Write originals and manifest of a new run down to the disk; only then may anything be touched."""
        self.folder.mkdir(exist_ok=True)
        run = Run(self._next_id(), datetime.now().astimezone().isoformat(timespec="seconds"), **fields)
        run = replace(run, state="started", entries=tuple(entries))
        draft = self.folder / f".new-{run.id}"
        try:
            (draft / "originals").mkdir(parents=True)
            for name, data in originals.items():
                stage(draft / "originals" / name, data, None)
            sync(draft / "originals")
            write(draft / "manifest.json", _dump(run))
            draft.rename(self.folder / run.id)
            sync(self.folder)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise self._unwritable(error) from error
        return run

    def _unwritable(self, error: OSError) -> Refused:
        return Refused(
            f"the journal in {self.root} cannot be written ({error.strerror}): "
            "set DOCTOR_STATE_DIR to a folder of yours with room"
        )

    def save(self, run: Run) -> Run:
        """Replace the manifest of a run."""
        try:
            write(self.folder / run.id / "manifest.json", _dump(run))
        except OSError as error:
            raise self._unwritable(error) from error
        return run

    def undo(self, run_id: str | None = None, installed: Callable[[str], Mapping[str, str]] = _unknown) -> Run:
        """Restore what a run changed (default: the last one that is not undone).

        `installed` reads the versions that the environment of a prefix has now.  Raises Refused, with nothing
        restored, where a newer run wrote the same file or installed the same distribution, or one changed since.
        """
        from doctor.fix.undo import undo

        with self.locked():
            return undo(self, run_id, installed)

    def original(self, run: Run, entry: Entry) -> Path:
        """Where the journal keeps what an entry replaced."""
        return self.folder / run.id / "originals" / str(entry.before)

    def versions(self, run: Run) -> Path:
        """The requirements file with the versions that were there before a run installed others."""
        return self.folder / run.id / "originals" / BEFORE

    def _recover(self) -> None:
        for draft in self.folder.glob(".new-*"):
            shutil.rmtree(draft, ignore_errors=True)
        for run in self.runs():
            if run.state not in ("started", "undoing"):
                continue
            for place in range(len(run.entries)):
                with suppress(OSError):  # the folder may be gone, or no longer this user's
                    run.temporary(place).unlink()
            if run.state == "started":
                self.save(_settled(run))

    def _read(self, name: str) -> Run:
        try:
            return _load(json.loads((self.folder / name / "manifest.json").read_text("utf-8")), name)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            note = f"{self.folder / name / 'manifest.json'} cannot be read ({type(error).__name__}: {error})"
            return Run(name, state="unreadable", note=note)

    def _next_id(self) -> str:
        """Later in order than every run there is, even where the clock was set back."""
        stamp, count = datetime.now().strftime("%Y%m%d-%H%M%S"), 1
        names = [path.name for path in self.folder.iterdir() if _ID.fullmatch(path.name)]
        if names:
            day, last, number = max(map(_order, names))
            if f"{day}-{last}" >= stamp:
                stamp, count = f"{day}-{last}", number + 1
        return f"{stamp}-{count}"


def _settled(run: Run) -> Run:
    """A run that was killed, with the entries it got to; of an installation, nobody knows how far it got."""
    if run.installation:
        return replace(run, state="done", note="interrupted while it installed: undo it")
    applied = tuple(entry for entry in run.entries if entry.state() != "old")
    note = f"interrupted: {len(applied)} of {len(run.entries)} files were written"
    if not applied:
        unmake(run.made)
        return replace(run, state="undone", entries=(), note=note)
    return replace(run, state="done", entries=applied, note=note)


def _default_root() -> Path:
    if chosen := os.environ.get("DOCTOR_STATE_DIR"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_state_path("tune-doctor")


def _order(name: str) -> tuple[str, str, int]:
    day, clock, number = name.split("-")
    return day, clock, int(number)


def _dump(run: Run) -> bytes:
    kept = {name: value for name, value in asdict(run).items() if name != "left"}
    return json.dumps({"schema": SCHEMA, **kept}, indent=1).encode()


def _load(manifest: dict[str, Any], name: str) -> Run:
    if manifest["schema"] != SCHEMA:
        raise ValueError(f"schema {manifest['schema']}, this doctor reads {SCHEMA}")
    entries = tuple(Entry(**{**entry, "patches": tuple(entry["patches"])}) for entry in manifest["entries"])
    fields = {key: manifest[key] for key in ("time", "version", "state", "note")}
    installed = installation(manifest["installation"]) if manifest.get("installation") else None
    run = Run(id=name, entries=entries, made=tuple(manifest["made"]), command=tuple(manifest["command"]), **fields)
    run = replace(run, installation=installed)
    texts = (*run.made, *fields.values(), *(text for entry in entries for text in (entry.path, entry.after)))
    if run.state not in STATES or not all(isinstance(text, str) for text in texts):
        raise ValueError("its values are not those of a run")
    return run
