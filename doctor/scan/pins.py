"""What the files of a project say of the versions it runs with: requirements and constraints, pyproject.toml."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from os.path import abspath, basename, dirname, isdir, join

from doctor.scan.files import Unreadable, lines, names, read_bytes

FILE = re.compile(r"(requirements|constraints)[\w.-]*\.(txt|in)$")
FOLDERS = ("requirements",)
"""Folders of a project in which such files lie as well."""


def read(directory: str, targets: Sequence[str] = ()) -> Iterator[tuple[str, str, int]]:
    """Each requirement with a range, without extras, and the file and line it stands in (0 in pyproject.toml)."""
    folders = dict.fromkeys([directory, *(path if isdir(path) else dirname(path) for path in targets)])
    for folder in [path for each in folders for path in (each, *(join(each, name) for name in FOLDERS))]:
        for name in names(folder):
            if FILE.match(name):
                yield from _file(join(folder, name), set())
        if "pyproject.toml" in names(folder):
            yield from _project(join(folder, "pyproject.toml"))


def _file(path: str, seen: set[str]) -> Iterator[tuple[str, str, int]]:
    if path in seen:
        return
    seen.add(path)
    try:
        rows = lines(path)
    except Unreadable:
        return
    for number, row in enumerate(rows, 1):
        row = re.sub(r"(^|\s)#.*", "", row).strip()
        if other := re.match(r"(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)", row):
            yield from _file(abspath(join(dirname(path), other[1])), seen)
        elif row and not row.startswith("-"):
            yield from ((text, path, number) for text in _requirement(re.split(r"\s--|\s*\\$", row)[0]))


def _project(path: str) -> Iterator[tuple[str, str, int]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        project = tomllib.loads(read_bytes(path).decode("utf-8", "replace")).get("project")
    except (Unreadable, tomllib.TOMLDecodeError):
        return
    wanted = project.get("dependencies") if isinstance(project, dict) else None
    for text in wanted if isinstance(wanted, list) else ():
        yield from ((found, path, 0) for found in _requirement(str(text)))


def _requirement(text: str) -> Iterator[str]:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text.strip())
    except InvalidRequirement:
        return
    if wanted.specifier and not wanted.url:
        yield f"{wanted.name}{wanted.specifier}" + (f" ; {wanted.marker}" if wanted.marker else "")


def short(path: str, directory: str) -> str:
    """A file by its name where it lies in the directory."""
    return basename(path) if dirname(path) == directory.rstrip(os.sep) else path
