"""Which interpreter is examined, and the folders it imports from, worked out from its files; it is never run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from os.path import abspath, basename, dirname, exists, expanduser, isdir, isfile, join, realpath

from doctor.model import Python, Skip
from doctor.scan.files import Unreadable, lines, names, optional_lines
from doctor.scan.prefix import NUMBERS, libraries, sites, version_of

_EXECUTABLES = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")


def home(environment: Mapping[str, str]) -> str:
    """The user's home folder."""
    return environment.get("HOME") or environment.get("USERPROFILE") or expanduser("~")


def locate(python: str | None, environment: Mapping[str, str], directory: str, skipped: list[Skip]) -> Python:
    """The interpreter to examine: the one given, else the active environment, else the one that runs this.

    Raises ValueError where the path given is no interpreter and no environment.
    """
    own = _default(environment, skipped if python is None else [])
    found = own if python is None else _given(python, environment, directory)
    # PYTHONPATH is the caller's: it says nothing of another environment.
    mine = realpath(found.prefix) == realpath(own.prefix)
    first = _split(environment.get("PYTHONPATH", "")) if mine else []
    return _with_links(found, skipped, [abspath(join(directory, path)) for path in first])


def _split(paths: str) -> list[str]:
    return [path for path in paths.split(os.pathsep) if path]


def _default(environment: Mapping[str, str], skipped: list[Skip]) -> Python:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if folder := environment.get(name):
            try:
                return _folder(abspath(folder), environment)
            except ValueError as error:
                skipped.append(Skip(name, f"{error}; {sys.executable} was examined instead"))
    return _folder(sys.prefix, environment, sys.executable)


def _given(python: str, environment: Mapping[str, str], directory: str) -> Python:
    path = abspath(join(directory, expanduser(python)))
    if not exists(path) and basename(python) == python:
        path = on_path(python, environment) or path
    if isdir(path):
        return _folder(path, environment)
    if not isfile(path):
        raise ValueError(f"{path} does not exist: give a Python executable or the folder of an environment")
    if basename(dirname(path)) == "shims" and isdir(join(dirname(dirname(path)), "versions")):
        return _folder(_pyenv(dirname(dirname(path)), environment, directory), environment)
    near, far = ([dirname(file), dirname(dirname(file))] for file in (path, realpath(path)))
    prefixes = [prefix for prefix in near if isfile(join(prefix, "pyvenv.cfg"))]
    prefixes += [prefix for prefix in (*far, *near) if libraries(prefix)]
    if prefixes and basename(path).lower().startswith(("python", "pypy")):
        return _folder(prefixes[0], environment, path)
    raise ValueError(f"{path} is no Python executable: give one, or the folder of an environment")


def on_path(name: str, environment: Mapping[str, str]) -> str | None:
    """The program that a name means on PATH."""
    names = (name, name + ".exe") if os.name == "nt" else (name,)
    places = (join(folder, name) for folder in _split(environment.get("PATH", "")) for name in names)
    return next((path for path in places if isfile(path) and os.access(path, os.X_OK)), None)


def _pyenv(root: str, environment: Mapping[str, str], directory: str) -> str:
    """The installation that a pyenv shim would run: the variable, the nearest .python-version, the global one."""
    wanted = environment.get("PYENV_VERSION", "").split(":")[0]
    files = [*(join(folder, ".python-version") for folder in _upwards(directory)), join(root, "version")]
    for file in () if wanted else files:
        if isfile(file):
            wanted = next((line.strip() for line in optional_lines(file) if line.strip()), "")
            break
    versions = join(root, "versions")
    for name in sorted(names(versions), key=lambda name: [int(n) for n in re.findall(r"\d+", name)], reverse=True):
        if name == wanted or (wanted and name.startswith(wanted + ".")):
            return join(versions, name)
    raise ValueError(
        f"pyenv selects {wanted or 'no version'}, which is not under {versions}: give the executable itself"
    )


def _upwards(folder: str) -> Iterator[str]:
    while True:
        yield folder
        if folder == dirname(folder):
            return
        folder = dirname(folder)


def _folder(path: str, environment: Mapping[str, str], executable: str | None = None) -> Python:
    if basename(path) in ("bin", "Scripts"):
        path = dirname(path)
    executable = executable or next((p for name in _EXECUTABLES if os.path.lexists(p := join(path, name))), "")
    if isfile(join(path, "pyvenv.cfg")):
        return _virtual(path, executable, environment)
    if not libraries(path):
        raise ValueError(f"{path} is no Python environment{_cure(path)}")
    version = version_of(path, executable)
    paths = [*_user(version, environment), *sites(path, version)]
    kind = "conda" if isdir(join(path, "conda-meta")) else "system"
    return Python(executable, version, path, kind, tuple(paths))  # type: ignore[arg-type]


def _cure(path: str) -> str:
    inside = [name for name in names(path) if isfile(join(path, name, "pyvenv.cfg"))]
    if inside:
        return f", but holds one: give {join(path, inside[0])}"
    if any(name.endswith(".dist-info") for name in names(path)):
        return ", but a folder of packages: give the interpreter, and put this folder on PYTHONPATH"
    return " (no pyvenv.cfg, no lib/python3.*): give a Python executable or the folder of an environment"


def _virtual(path: str, executable: str, environment: Mapping[str, str]) -> Python:
    settings = _settings(join(path, "pyvenv.cfg"))
    written = NUMBERS.match(settings.get("version") or settings.get("version_info") or "")
    version = written[0] if written and sites(path, written[0]) else version_of(path, executable)
    paths = sites(path, version)
    if not paths:
        cure = f"make it anew: python -m venv --clear {path}"
        raise ValueError(f"{path} is no Python environment: it holds a pyvenv.cfg, but no packages; {cure}")
    if settings.get("include-system-site-packages", "").lower() == "true" and settings.get("home"):
        base = _base(settings["home"])
        paths += [*_user(version, environment), *sites(base, version)]
    return Python(executable, version, path, "uv" if "uv" in settings else "venv", tuple(paths))


def _base(folder: str) -> str:
    """The installation that a virtual environment was made from, by its folder of executables."""
    if isfile(join(dirname(folder), "pyvenv.cfg")):
        # Python 3.10 notes the environment it was run from; what that one links to is the installation.
        folder = dirname(realpath(join(folder, "python")))
    return folder if libraries(folder) else dirname(folder)


def _settings(path: str) -> dict[str, str]:
    try:
        pairs = [line.partition("=") for line in lines(path)]
    except Unreadable as error:
        raise ValueError(f"{path} {error}") from error
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _user(version: str, environment: Mapping[str, str]) -> list[str]:
    if environment.get("PYTHONNOUSERSITE"):
        return []
    minor = ".".join(version.split(".")[:2])
    base = environment.get("PYTHONUSERBASE") or join(home(environment), ".local")
    return [*filter(isdir, [join(base, "lib", f"python{minor}", "site-packages")])]


def _with_links(python: Python, skipped: list[Skip], first: Sequence[str] = ()) -> Python:
    """The interpreter with every folder it imports from: PYTHONPATH, its site folders, what their .pth files add."""
    if python.executable and _gone(python.executable):
        target = realpath(python.executable)
        skipped.append(Skip(python.executable, f"links to {target}, which is gone: make the environment anew"))
    paths: dict[str, str] = {}
    for folder in [*filter(isdir, first), *python.paths]:
        for path in [folder, *(() if folder in first else _links(folder, skipped))]:
            paths.setdefault(realpath(path), abspath(path))
    return Python(python.executable, python.version, python.prefix, python.kind, tuple(paths.values()))


def _gone(path: str) -> bool:
    try:
        os.stat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _links(folder: str, skipped: list[Skip]) -> Iterator[str]:
    """The folders that .pth files add; their `import` lines, which Python would execute, are left alone."""
    for name in names(folder):
        if not name.endswith(".pth") or name.startswith("."):
            continue
        try:
            stripped = [line.strip() for line in lines(join(folder, name))]
        except Unreadable as error:
            skipped.append(Skip(join(folder, name), str(error)))
            continue
        entries = [line for line in stripped if line and not line.startswith(("#", "import ", "import\t"))]
        yield from (path for line in entries if "\0" not in line and isdir(path := join(folder, line)))
