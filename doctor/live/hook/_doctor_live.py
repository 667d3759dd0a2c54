"""Gives remote code of transformers its patched source.  Standard library only, Python 3.9 and later.

A patched source lives in DOCTOR_LIVE_STORE, under the digest of what it was made from, and is imported from there,
so that tracebacks and debuggers show the lines that run and Python's bytecode lies beside it, not in the user's cache.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sys
import tempfile
from _frozen_importlib_external import SourceFileLoader
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

REWRITER = Path(__file__).parents[1] / "rewriter.py"
TIMEOUT = 300


class Outcome(NamedTuple):
    """What became of a file."""

    copy: Path | None
    """Its patched source, None where it is imported as it is."""
    patches: tuple[str, ...]
    reason: str
    """Why there is none, empty where no patch applies."""


def code(loader: SourceFileLoader, fullname: str, original: Callable[..., CodeType | None]) -> CodeType | None:
    """The code of a module: that of the patched source, or the module's own."""
    file = Path(loader.path)
    if "transformers_modules" not in file.parts:
        return original(loader, fullname)
    copy, patches, reason = _outcome(file)
    if copy is not None:
        try:
            patched = original(SourceFileLoader(fullname, str(copy)), fullname)
        except SyntaxError as error:
            reason = "its patched source, line {}, is not Python {}.{}".format(error.lineno, *sys.version_info)
        else:
            _show(loader.path, copy)
            count = "1 patch" if len(patches) == 1 else f"{len(patches)} patches"
            _say(f"patched {file.name} in memory ({count}); no file was changed")
            return patched
    if reason:
        _say(f"{file.name} is imported unchanged: {reason}")
    return original(loader, fullname)


def reader(module: Any) -> None:
    """Let transformers' look for missing packages read the patched source, which may do without some of them."""
    original = getattr(module, "get_imports", None)
    if original is None:
        return

    @functools.wraps(original)
    def get_imports(filename: Any, *args: Any, **kwargs: Any) -> Any:
        return original(_outcome(Path(filename))[0] or filename, *args, **kwargs)

    module.get_imports = get_imports


def _outcome(file: Path) -> Outcome:
    try:
        return _stored(file, file.read_bytes())
    except Exception as error:  # an import must not fail for the doctor's sake
        return Outcome(None, (), f"{type(error).__name__}: {error}")


def _stored(file: Path, source: bytes) -> Outcome:
    if not source.strip():
        return Outcome(None, (), "")
    store = os.environ.get("DOCTOR_LIVE_STORE")
    if not store:
        return Outcome(None, (), "DOCTOR_LIVE_STORE is not set")
    folder = Path(store, hashlib.sha256(file.name.encode() + b"\0" + source).hexdigest()[:32])
    known = _read(folder, file.name)
    if known is None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder):
            known = _read(folder, file.name) or _make(folder, file.name, source)
    return known


def _read(folder: Path, name: str) -> Outcome | None:
    try:
        record = json.loads((folder / "outcome.json").read_bytes())
        if not record["patches"]:
            return Outcome(None, (), record["reason"])
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() == record["digest"]:
            return Outcome(folder / name, tuple(record["patches"]), "")
    except (OSError, ValueError, KeyError):
        pass  # not there, or torn by a full disk: made again
    return None


def _make(folder: Path, name: str, source: bytes) -> Outcome:
    import subprocess

    python = os.environ.get("DOCTOR_LIVE_PYTHON", "")
    if not os.access(python, os.X_OK):
        return Outcome(None, (), f"the doctor's interpreter {python or '(none)'} is not there")
    try:
        done = subprocess.run([python, "-I", str(REWRITER)], input=source, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return Outcome(None, (), f"the doctor's interpreter took over {TIMEOUT} seconds")
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return Outcome(None, (), f"the doctor's interpreter exited with {done.returncode}: {last}")
    header, _, text = done.stdout.partition(b"\n")
    record = json.loads(header)
    if record["patches"]:
        _write(folder / name, text)
    _write(folder / "outcome.json", json.dumps({**record, "digest": hashlib.sha256(text).hexdigest()}).encode())
    return _read(folder, name) or Outcome(None, (), f"{folder} did not keep its patched source")


def _write(path: Path, data: bytes) -> None:
    """Write a file so that another process sees all of it or nothing."""
    handle, draft = tempfile.mkstemp(dir=str(path.parent))
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    os.replace(draft, path)  # noqa: PTH105


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process makes the patched source, the others wait for it; where files cannot be locked, each makes it."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(folder / "lock", "wb") as stream:  # noqa: PTH123
        with contextlib.suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _show(path: str, copy: Path) -> None:
    """Let `inspect` and tracebacks that know the module by its own path see the source that runs."""
    import linecache

    lines = linecache.getlines(str(copy))
    linecache.cache[path] = (sum(map(len, lines)), None, lines, path)


def _say(message: str) -> None:
    """One line on stderr, once for the whole tree of processes; of several ranks only the first speaks."""
    said = os.environ.get("DOCTOR_LIVE_SAID", "")
    mark = hashlib.sha256(message.encode()).hexdigest()[:8]
    rank = os.environ.get("LOCAL_RANK", os.environ.get("RANK", "0"))
    if rank != "0" or mark in said.split() or sys.stderr is None:
        return
    os.environ["DOCTOR_LIVE_SAID"] = f"{said} {mark}".strip()
    sys.stderr.write(f"doctor: {message}\n")
    sys.stderr.flush()
