"""The releases that a file pins: requirements and constraints, commands that install, and the files of lockers.

Of a lock (uv, Poetry, PDM, Pipenv, conda-lock, pylock.toml) the names and versions of its packages are read, which
their tools write one a line.  A name that a file pins to several releases, for several environments, is left out:
which of them goes with which others is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from doctor import releases, signatures
from doctor.code import Code
from doctor.model import Facts, Location, Package, normalise, within

if TYPE_CHECKING:
    from packaging.version import Version

NEEDLES = (b"transformers=", b"transformers =", b'name = "transformers"', b'"transformers": {', b"name: transformers")
"""What a file holds that pins a release of transformers, without which no set is judged."""
LOCKS = re.compile(r"(?:^|[/\\])(?:(?:uv|poetry|pdm|Pipfile)\.lock|pylock(?:\.[^.]+)?\.toml|[\w.-]*conda-lock\.ya?ml)$")
_PIN = re.compile(r"""(?:^|[\s"'])([A-Za-z][\w.-]*)(?:\[[\w,-]*\])?[ ]*={1,2}[ ]*(\d[\w.]*)(?![\w.]*\*)""")
_NAME = re.compile(r"""(?:name = "([\w.-]+)"|- name: ([\w.-]+)|\s+"([\w.-]+)": \{)\s*$""")
_VERSION = re.compile(r"""(?:version = "|\s+version: ['"]?|\s+"version": "==)(?P<version>\d[^"'\s]*)""")
_END = re.compile(r"\s*$|\[")
"""A package of a lock is over; what follows is another, or a table about it."""


class Pin(NamedTuple):
    """One release, and where it is pinned."""

    name: str
    version: Version
    where: Location

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


class Clash(NamedTuple):
    """A pin that the release beside it does not take: `why`, and the range that it does take."""

    pin: Pin
    beside: Pin
    why: str
    range: str


def is_lock(path: str) -> bool:
    """Whether a file is written by a locker, and not by hand."""
    return LOCKS.search(path) is not None


@lru_cache(maxsize=4)
def pins(code: Code) -> Mapping[str, Pin]:
    """What a file pins to one release, by name."""
    from packaging.version import InvalidVersion, Version

    found: dict[str, Pin] = {}
    several: set[str] = set()
    for name, text, line, column in _locked(code) if is_lock(code.source.path) else _written(code):
        try:
            pin = Pin(normalise(name), Version(text), Location(code.source.path, line, column))
        except InvalidVersion:
            continue
        if found.setdefault(pin.name, pin).version != pin.version:
            several.add(pin.name)
    return {name: pin for name, pin in found.items() if name not in several}


def clashes(pinned: Mapping[str, Pin]) -> Iterator[Clash]:
    """The pins that the metadata, or the code, of the pinned transformers and trl does not take."""
    from packaging.version import Version

    transformers = pinned.get("transformers")
    if transformers is None:
        return
    judged = releases.minor(transformers.version)
    if not releases.tabled(judged):
        return
    for line in releases.requires(judged):
        match = re.match(r"([\w.-]+)\(?([^)]*)", line)
        pin = pinned.get(normalise(match[1])) if match else None
        if match and pin and match[2] and not within(f"{pin.name}{match[2]}", pin.version):
            yield Clash(pin, transformers, f"requires {pin.name}{match[2]}", f"{pin.name}{match[2]}")
    for name, floor in releases.floors(judged).items():
        pin = pinned.get(name)
        if pin and pin.version < Version(floor):
            yield Clash(pin, transformers, f"takes {name} from {floor} on", f"{name}>={floor}")
    trl = pinned.get("trl")
    wanted = signatures.demands("trl", trl.version) if trl else ""
    if trl and wanted and not within(wanted, transformers.version):
        yield Clash(transformers, trl, f"requires {wanted}", wanted.replace(" ", ""))


def installed(pinned: Mapping[str, Pin]) -> Facts:
    """The facts of an environment with just what a file pins."""
    return Facts(packages={name: Package(name, str(pin.version)) for name, pin in pinned.items()})


def remedy(path: str, wanted: str) -> str:
    """What to do so that a file pins something else."""
    if is_lock(path):
        return f"ask for `{wanted}` in the project, and lock it again"
    return f"write `{wanted}`"


def _written(code: Code) -> Iterator[tuple[str, str, int, int]]:
    for number, line in enumerate(code.lines(), 1):
        for match in _PIN.finditer(line.partition("#")[0]):
            yield match[1], match[2], number, match.start(1) + 1


def _locked(code: Code) -> Iterator[tuple[str, str, int, int]]:
    name = ""
    for number, line in enumerate(code.lines(), 1):
        if match := _NAME.match(line):
            name = match[1] or match[2] or match[3]
        elif name and (match := _VERSION.match(line)):
            yield name, match["version"], number, match.start("version") + 1
            name = ""
        elif _END.match(line):
            name = ""
