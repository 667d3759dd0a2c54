"""Which interpreter is examined, and the folders it imports from, worked out from its files; it is never run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from os.path import abspath, basename, dirname, exists, expanduser, isdir, isfile, join, realpath

from doctor.model import Python, Skip
from doctor.scan.files import Unreadable, read_bytes, why

_LIBRARY = re.compile(r"(?:python|pypy)(3\.\d+)t?$")
_NUMBERS = re.compile(r"\d+(?:\.\d+){1,2}")
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
    prefixes += [prefix for prefix in (*far, *near) if _libraries(prefix)]
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
    names = environment.get("PYENV_VERSION", "").split(":")[0]
    files = [*(join(folder, ".python-version") for folder in _upwards(directory)), join(root, "version")]
    for file in () if names else files:
        if isfile(file):
            names = next((line.strip() for line in _lines(file) if line.strip()), "")
            break
    versions = join(root, "versions")
    for name in sorted(os.listdir(versions), key=lambda name: [int(n) for n in re.findall(r"\d+", name)], reverse=True):
        if name == names or (names and name.startswith(names + ".")):
            return join(versions, name)
    raise ValueError(
        f"pyenv selects {names or 'no version'}, which is not under {versions}: give the executable itself"
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
    if not _libraries(path):
        raise ValueError(f"{path} is no Python environment{_cure(path)}")
    version = _version(path, executable)
    paths = [*_user(version, environment), *_sites(path, version)]
    kind = "conda" if isdir(join(path, "conda-meta")) else "system"
    return Python(executable, version, path, kind, tuple(paths))  # type: ignore[arg-type]


def _cure(path: str) -> str:
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        return f": it {why(error)}"
    inside = [name for name in names if isfile(join(path, name, "pyvenv.cfg"))]
    if inside:
        return f", but holds one: give {join(path, inside[0])}"
    if any(name.endswith(".dist-info") for name in names):
        return ", but a folder of packages: give the interpreter, and put this folder on PYTHONPATH"
    return " (no pyvenv.cfg, no lib/python3.*): give a Python executable or the folder of an environment"


def _virtual(path: str, executable: str, environment: Mapping[str, str]) -> Python:
    settings = _settings(join(path, "pyvenv.cfg"))
    written = _NUMBERS.match(settings.get("version") or settings.get("version_info") or "")
    version = written[0] if written else _version(path, executable)
    paths = _sites(path, version)
    if settings.get("include-system-site-packages", "").lower() == "true" and settings.get("home"):
        base = _base(settings["home"])
        paths += [*_user(version, environment), *_sites(base, version)]
    return Python(executable, version, path, "uv" if "uv" in settings else "venv", tuple(paths))


def _lines(path: str) -> list[str]:
    return read_bytes(path).decode("utf-8", "replace").splitlines()


def _base(folder: str) -> str:
    """The installation that a virtual environment was made from, by its folder of executables."""
    if isfile(join(dirname(folder), "pyvenv.cfg")):
        # Python 3.10 notes the environment it was run from; what that one links to is the installation.
        folder = dirname(realpath(join(folder, "python")))
    return folder if _libraries(folder) else dirname(folder)


def _settings(path: str) -> dict[str, str]:
    try:
        pairs = [line.partition("=") for line in _lines(path)]
    except Unreadable as error:
        raise ValueError(f"{path} {error}") from error
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _libs(prefix: str) -> tuple[str, ...]:
    """Fedora keeps compiled packages in lib64; elsewhere that is a link to lib."""
    return ("lib",) if os.path.islink(join(prefix, "lib64")) else ("lib64", "lib")


def _libraries(prefix: str) -> list[str]:
    """The lib/python3.* folders of a prefix, the newest first (`Lib` on Windows)."""
    found: dict[tuple[int, int], list[str]] = {}
    for lib in _libs(prefix):
        try:
            names = os.listdir(join(prefix, lib))
        except OSError:
            continue
        for name in names:
            if match := _LIBRARY.match(name):
                major, minor = match[1].split(".")
                found.setdefault((int(major), int(minor)), []).append(join(prefix, lib, name))
    folders = [folder for key in sorted(found, reverse=True) for folder in found[key]]
    return folders or ([join(prefix, "Lib")] if isfile(join(prefix, "Lib", "os.py")) else [])


def _version(prefix: str, executable: str) -> str:
    """As exact as the files tell: conda's record, a pyenv folder's name, patchlevel.h, else the minor version."""
    libraries = _libraries(prefix)
    named = re.search(r"(3\.\d+)t?(?:\.exe)?$", basename(realpath(executable)))
    minors = [match[1] for folder in libraries if (match := _LIBRARY.match(basename(folder)))]
    minor = named[1] if named and named[1] in minors else next(iter(minors), "")
    if realpath(executable) == realpath(sys.executable) and minor in (
        "",
        f"{sys.version_info[0]}.{sys.version_info[1]}",
    ):
        return ".".join(map(str, sys.version_info[:3]))
    for text in (*_conda_record(prefix), basename(prefix), *_patchlevel(prefix, minor)):
        exact = _NUMBERS.search(text)
        if exact and (exact[0] == minor or exact[0].startswith(minor + ".")):
            return exact[0]
    return minor or "3"


def _conda_record(prefix: str) -> list[str]:
    folder = join(prefix, "conda-meta")
    names = os.listdir(folder) if isdir(folder) else []
    return [name for name in names if re.match(r"python-3\.\d+\.\d+-", name)]


def _patchlevel(prefix: str, minor: str) -> list[str]:
    path = join(prefix, "include", f"python{minor}", "patchlevel.h")
    if not isfile(path):
        return []
    return [line.partition('"')[2] for line in _lines(path) if line.startswith("#define PY_VERSION ")]


def _sites(prefix: str, version: str) -> list[str]:
    """The site-packages folders of a prefix, as `site.getsitepackages` of the interpreter (Debian's too) lists them."""
    minor = ".".join(version.split(".")[:2])
    folders = [f"{prefix}/local/lib/python{minor}/dist-packages"]
    for lib in _libs(prefix):
        names = [basename(f) for f in _libraries(prefix) if basename(f).rstrip("t").endswith(minor)]
        folders += [f"{prefix}/{lib}/{name}/site-packages" for name in dict.fromkeys(names)]
    folders += [f"{prefix}/lib/python3/dist-packages", f"{prefix}/lib/python{minor}/dist-packages"]
    return [*filter(isdir, folders), *([f"{prefix}/Lib/site-packages"] if isdir(f"{prefix}/Lib/site-packages") else [])]


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
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".pth") or name.startswith("."):
            continue
        try:
            lines = [line.strip() for line in _lines(join(folder, name))]
        except Unreadable as error:
            skipped.append(Skip(join(folder, name), str(error)))
            continue
        entries = [line for line in lines if line and not line.startswith(("#", "import ", "import\t"))]
        yield from (path for line in entries if "\0" not in line and isdir(path := join(folder, line)))
