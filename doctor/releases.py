"""What the transformers releases have, need and call themselves: doctor/releases.json and names.json.

tools/releases.py makes both out of the published wheels.  The tables hold the last patch of every minor release; a
release is looked up by its minor, one newer than the table is taken for the newest in it, and a pre-release for the
release it leads to.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from functools import cache
from os.path import dirname, join
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packaging.version import Version

Minor = tuple[int, int]
FIRST, LAST = (0, 0), (99, 0)
MATRIX = ((4, 47), (4, 57), (5, 0), (5, 3), (5, 23))
"""The minor releases that the doctor promises to work on."""


def minor(version: Version) -> Minor:
    """The minor release of a version: (5, 4) of 5.4.0rc1."""
    return version.major, version.minor


class Life:
    """The spans of minor releases that have a name, oldest first; written `-4.53` or `4.42-4.57 5.5-`.

    Of several texts, the releases that are in all of them.

    >>> (5, 3) in Life("4.42-4.57 5.5-")
    False
    """

    def __init__(self, *texts: str) -> None:
        self.spans = [(FIRST, LAST)]
        for text in texts:
            spans = [(_minor(first) or FIRST, _minor(last) or LAST) for first, _, last in _split(text)]
            both = [(max(a, b), min(c, d)) for a, c in self.spans for b, d in spans]
            self.spans = [(first, last) for first, last in both if first <= last]

    def __contains__(self, release: Minor) -> bool:
        return any(first <= release <= last for first, last in self.spans)

    def ended(self, judged: Minor) -> Minor | None:
        """The last release that had the name before the judged one, None where none had."""
        return max((last for _, last in self.spans if last < judged), default=None)

    def begins(self, judged: Minor) -> Minor | None:
        """The first release after the judged one that has the name again, or for the first time."""
        return min((first for first, _ in self.spans if first > judged), default=None)

    def lost(self, judged: Minor) -> Minor | None:
        """The first release of the matrix after the judged one that lacks the name."""
        return next((release for release in MATRIX if release > judged and release not in self), None)


def _split(text: str) -> list[tuple[str, str, str]]:
    return [span.partition("-") for span in text.split()]


def _minor(text: str) -> Minor | None:
    major, _, rest = text.partition(".")
    return (int(major), int(rest)) if rest else None


@cache
def imported(module: str, name: str) -> Life | None:
    """The releases in which `from module import name` works, None where the table knows nothing against it."""
    parts = module.split(".")
    # A name's row leaves the releases open that lack its module: those are in the module's own, or its package's.
    asked = [(module, name)]
    for depth in range(2, len(parts) + 1):
        asked += [(".".join(parts[:depth]), "*"), (".".join(parts[: depth - 1]), parts[depth - 1])]
    rows = [row for where, what in asked if (row := _rows(where).get(what)) is not None]
    return Life(*rows) if rows else None


@cache
def _rows(module: str) -> dict[str, str]:
    """The names of a module to their spans."""
    return {name: spans for spans, names in _names().get(module, {}).items() for name in names.split()}


def tabled(judged: Minor) -> bool:
    """Whether a release is not older than those whose requirements are known."""
    return judged >= min(release for text in _table()["requires"] if (release := _minor(text)))


def requires(judged: Minor) -> tuple[str, ...]:
    """The requirements in the metadata of a transformers release, extras left out."""
    return tuple(_nearest(_table()["requires"], judged))


def floors(judged: Minor) -> dict[str, str]:
    """The oldest optional packages (peft, accelerate, bitsandbytes, torch) that a transformers release accepts."""
    return dict(_nearest(_table()["floors"], judged))


def native(architecture: str) -> tuple[Minor, tuple[str, ...]] | None:
    """The first release that has a model class, and the model types it goes with."""
    row = _table()["classes"].get(architecture)
    first = _minor(row[0]) if row else None
    return (first, tuple(row[1:])) if first else None


def related(architecture: str) -> bool:
    """Whether the library has a model of that name for any purpose: WhisperForX beside WhisperForCausalLM."""
    return _stem(architecture) in _stems()


def _stem(architecture: str) -> str:
    return re.split(r"(?=For[A-Z]|LMHead|Model$|DoubleHeads)", architecture)[0]


@cache
def _stems() -> frozenset[str]:
    return frozenset(map(_stem, _table()["classes"]))


def _nearest(rows: dict[str, Any], judged: Minor) -> Any:
    known = {release: row for text, row in rows.items() if (release := _minor(text))}
    ordered = sorted(known)
    return known[ordered[max(0, bisect_right(ordered, judged) - 1)]]


@cache
def _names() -> dict[str, dict[str, str]]:
    """Module to spans to the names that only these have; read where a file imports something."""
    return _read("names.json")


@cache
def _table() -> dict[str, Any]:
    return _read("releases.json")


def _read(name: str) -> dict[str, Any]:
    with open(join(dirname(__file__), name), encoding="utf-8") as file:
        table: dict[str, Any] = json.load(file)
    return table
