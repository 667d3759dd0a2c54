"""One file to write, and how its change is shown."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Edit:
    """One file to write, whole."""

    path: str
    digest: str | None
    """SHA-256 of the bytes that were read from `path`; None: the file is created."""
    before: str
    after: str
    patches: tuple[str, ...]
    note: str = ""
    origin: str = ""
    """The file that `before` was read from, where it is another than `path`."""
    packages: tuple[str, ...] = ()
    """Folders that need an `__init__.py`, outermost first."""
    link: bool = False
    """`path` is a link into the hub's blobs: the link becomes a file, the blob stays as it is."""
    encoding: str = "utf-8"

    @property
    def data(self) -> bytes:
        """The bytes to write."""
        return self.after.encode(self.encoding)

    def diff(self, directory: str = "") -> str:
        """The unified diff; paths below `directory` are printed relative to it."""
        names = (_known(self.origin or self.path, directory), _known(self.path, directory))
        lines = difflib.unified_diff(_lines(self.before), _lines(self.after), *names)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """The lines as `patch` counts them: a form feed or a lone carriage return does not end one."""
    return list(_split(text))


def _split(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _known(path: str, directory: str) -> str:
    """A path as its user writes it: relative below the working directory, else whole."""
    if directory and PurePath(path).is_relative_to(directory):
        return os.path.relpath(path, directory)
    return path
