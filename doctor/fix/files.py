"""Replacing one file so that every reader, and every crash, finds either the old or the new one."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def digest(path: Path) -> str | None:
    """SHA-256 of a file's bytes, None where there is no file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def in_blobs(path: Path) -> bool:
    """Whether a file lies in the hub's content-addressed store (`models--OWNER--NAME/blobs/`)."""
    return any(folder.name == "blobs" and "--" in folder.parent.name for folder in path.parents)


def stage(temporary: Path, data: bytes, like: Path | None) -> None:
    """Write a new file beside its place, with mode, owner and attributes of `like`, down to the disk."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if like is not None:
            _dress(temporary, like, len(data))
        os.fsync(file.fileno())


def _dress(temporary: Path, like: Path, size: int) -> None:
    old, new = like.stat(), temporary.stat()
    if sys.platform != "win32" and (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.chown(temporary, old.st_uid, old.st_gid)
    shutil.copystat(like, temporary)
    now = time.time_ns()
    # Python trusts a .pyc whose source has the same size and the same second of change as when it was compiled.
    if old.st_size == size and now // 10**9 <= old.st_mtime_ns // 10**9:
        now = old.st_mtime_ns + 10**9
    os.utime(temporary, ns=(now, now))


def sync(folder: Path) -> None:
    """Bring the names in a folder to the disk (where the system can)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make(packages: Sequence[str]) -> None:
    """Make folders packages, as transformers does, where they are none."""
    for folder in map(Path, packages):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "__init__.py").exists():
            (folder / "__init__.py").touch()


def unmake(made: Sequence[str]) -> None:
    """Remove the packages a fix made, the innermost first, where nothing but compiled files is in them."""
    for folder in (Path(path) for path in reversed(made) if not path.endswith("__init__.py")):
        if not folder.is_dir() or {path.name for path in folder.iterdir()} - {"__init__.py", "__pycache__"}:
            continue
        initial = folder / "__init__.py"
        if not initial.exists() or (str(initial) in made and not initial.stat().st_size):
            shutil.rmtree(folder, ignore_errors=True)


def write(path: Path, data: bytes) -> None:
    """Create or replace one of the journal's own files, atomically."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    stage(temporary, data, None)
    temporary.replace(path)
    sync(path.parent)
