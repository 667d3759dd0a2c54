"""What the files of an installation tell: the version of its Python, and where its packages are."""

from __future__ import annotations

import os
import re
import sys
from os.path import basename, isdir, isfile, join, realpath

from doctor.scan.files import names, optional_lines

NUMBERS = re.compile(r"\d+(?:\.\d+){1,2}")

_LIBRARY = re.compile(r"(?:python|pypy)(3\.\d+)t?$")


def _libs(prefix: str) -> tuple[str, ...]:
    """Fedora keeps compiled packages in lib64; elsewhere that is a link to lib."""
    return ("lib",) if os.path.islink(join(prefix, "lib64")) else ("lib64", "lib")


def libraries(prefix: str) -> list[str]:
    """The lib/python3.* folders of a prefix, the newest first (`Lib` on Windows)."""
    found: dict[tuple[int, int], list[str]] = {}
    for lib in _libs(prefix):
        for name in names(join(prefix, lib)):
            if match := _LIBRARY.match(name):
                major, minor = match[1].split(".")
                found.setdefault((int(major), int(minor)), []).append(join(prefix, lib, name))
    folders = [folder for key in sorted(found, reverse=True) for folder in found[key]]
    return folders or ([join(prefix, "Lib")] if isfile(join(prefix, "Lib", "os.py")) else [])


def version_of(prefix: str, executable: str) -> str:
    """As exact as the files tell: conda's record, a pyenv folder's name, patchlevel.h, else the minor version."""
    named = re.search(r"(3\.\d+)t?(?:\.exe)?$", basename(realpath(executable)))
    minors = [match[1] for folder in libraries(prefix) if (match := _LIBRARY.match(basename(folder)))]
    minor = named[1] if named and named[1] in minors else next(iter(minors), "")
    own = ".".join(map(str, sys.version_info[:3]))
    if realpath(executable) == realpath(sys.executable) and (not minor or own.startswith(minor + ".")):
        return own
    for text in (*_conda_record(prefix), basename(prefix), *_patchlevel(prefix, minor)):
        exact = NUMBERS.search(text)
        if exact and (exact[0] == minor or exact[0].startswith(minor + ".")):
            return exact[0]
    return minor or "3"


def _conda_record(prefix: str) -> list[str]:
    return [name for name in names(join(prefix, "conda-meta")) if re.match(r"python-3\.\d+\.\d+-", name)]


def _patchlevel(prefix: str, minor: str) -> list[str]:
    header = optional_lines(join(prefix, "include", f"python{minor}", "patchlevel.h"))
    return [line.partition('"')[2] for line in header if line.startswith("#define PY_VERSION ")]


def sites(prefix: str, version: str) -> list[str]:
    """The site-packages folders of a prefix, as `site.getsitepackages` of the interpreter (Debian's too) lists them."""
    minor = ".".join(version.split(".")[:2])
    folders = [f"{prefix}/local/lib/python{minor}/dist-packages"]
    for lib in _libs(prefix):
        found = [basename(folder) for folder in libraries(prefix) if basename(folder).rstrip("t").endswith(minor)]
        folders += [f"{prefix}/{lib}/{name}/site-packages" for name in dict.fromkeys(found)]
    folders += [f"{prefix}/lib/python3/dist-packages", f"{prefix}/lib/python{minor}/dist-packages"]
    return [*filter(isdir, folders), *filter(isdir, [f"{prefix}/Lib/site-packages"])]
