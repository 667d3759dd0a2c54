"""The catalogue applied while modules are imported; no file is touched.

`run` starts a command with the folder `hook` first on PYTHONPATH.  Every Python below it, child processes included,
then imports our `sitecustomize`, which gives remote code of transformers its patched source as it is imported.
The patched source is made by the doctor's own interpreter (`rewriter.py`) and kept in the doctor's cache folder,
because the interpreter that runs the command usually has neither libcst nor the doctor.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import doctor
from doctor.complaint import complain

HOOK = Path(__file__).parent / "hook"
NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a shell."""


def run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command with the patches applied at import time and `variables` set where they are not.

    The command takes the place of this process, so that its exit code, signals and streams are its own; this
    returns only where it cannot be started (and on Windows, which has no exec).
    """
    deaf = _unhooked(command)
    if deaf:
        complain(f"{command[0]} {deaf} ignores PYTHONPATH: remote code is imported unpatched; leave {deaf} out")
    environment = prepare({**variables, **os.environ})
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        exists = os.sep in command[0] and Path(command[0]).exists()
        complain(f"{command[0]}: " + ("not executable" if exists else "command not found") + _hint(command))
        return NOT_EXECUTABLE if exists else NOT_FOUND
    try:
        return _replace(program, command, environment)
    except OSError as error:
        what = "not a program" if error.errno == errno.ENOEXEC else error.strerror
        complain(f"{command[0]}: {what}" + _hint(command))
        return NOT_EXECUTABLE


def prepare(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which remote code is imported patched."""
    theirs = environment.get("PYTHONPATH")
    path = [part for part in theirs.split(os.pathsep) if part != str(HOOK)] if theirs else []
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join([str(HOOK), *path]),
        "DOCTOR_LIVE_PYTHON": sys.executable or "",
        "DOCTOR_LIVE_STORE": str(store()),
    }


def store() -> Path:
    """Folder of the patched sources; its name changes with the doctor's version and with the catalogue."""
    folder = _cache() / "live" / f"{doctor.__version__}-{_catalogue_digest()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        private = Path(tempfile.mkdtemp(prefix="doctor-live-"))
        complain(
            f"{folder} cannot be written ({error.strerror}): patched sources go to {private}; set DOCTOR_CACHE_DIR"
        )
        return private


def _cache() -> Path:
    chosen = os.environ.get("DOCTOR_CACHE_DIR")
    if chosen:
        return Path(chosen).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("tune-doctor", appauthor=False)


def _catalogue_digest() -> str:
    """Digest of the code that decides what a patched file looks like: the patches and what they may import."""
    package = Path(doctor.__file__).parent
    digest = hashlib.sha256()
    for file in sorted([*package.glob("*.py"), *package.glob("*.json"), *(package / "patches").glob("*.py")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _replace(program: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
    if sys.platform == "win32":
        return subprocess.call([program, *command[1:]], env=dict(environment))
    # Python ignores these two, and what is ignored stays ignored in the next program.
    for name in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(name, signal.SIG_DFL)
    sys.stdout.flush()
    sys.stderr.flush()
    return os.execve(program, list(command), dict(environment))


def _unhooked(command: Sequence[str]) -> str:
    """The option of a python command that keeps our hook out (`-I`, `-E`, `-S`), empty where there is none.

    >>> _unhooked(["python3", "-u", "-sE", "train.py"])
    '-sE'
    >>> _unhooked(["python", "-W", "ignore", "train.py", "-E"])
    ''
    """
    if not re.fullmatch(r"(python|pypy)[\d.]*(\.exe)?", Path(command[0]).name):
        return ""
    words = iter(command[1:])
    for word in words:
        if not re.match("-[^-]", word):
            break
        flags, last, value = re.match(r"-([^cmWX]*)([cmWX]?)(.*)", word, re.DOTALL).groups()  # type: ignore[union-attr]
        if set("IES") & set(flags):
            return word
        if last in ("c", "m"):
            break
        if last and not value:
            next(words, None)
    return ""


def _hint(command: Sequence[str]) -> str:
    script = command[0].endswith(".py")
    return f"; write: doctor run -- python {' '.join(command)}" if script else ""
