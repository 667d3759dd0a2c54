"""Which arguments and names each release of the training libraries takes: doctor/signatures.json.

tools/signatures.py makes the table.  It holds the last patch of every minor release; a release is looked up by its
minor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from doctor.model import Facts, within
from doctor.releases import MATRIX, Life, Minor, minor, requires

if TYPE_CHECKING:
    from packaging.version import Version

HANDED = {"transformers.PreTrainedModel.from_pretrained": (b"model_kwargs", b"model_init_kwargs")}
"""What others call a dictionary of a callable's arguments."""


class Judged(NamedTuple):
    """A release that is judged by: the installed one, the assumed one, or the newest that goes with transformers."""

    library: str
    version: Version
    installed: bool

    @property
    def minor(self) -> Minor:
        return minor(self.version)

    def __str__(self) -> str:
        return f"{self.library} {self.version}"


def judged(library: str, facts: Facts) -> Judged:
    """The release of a library to judge by."""
    if library == "transformers":
        return Judged(library, facts.transformers, library in facts.packages)
    version = facts.version(library.replace("_", "-"))
    allowed = _allowed(library, facts) if facts.against or version is None else ""
    if version is not None and (not allowed or within(allowed, version)):
        return Judged(library, version, True)
    return Judged(library, _newest(library, facts.transformers, allowed), False)


def _allowed(library: str, facts: Facts) -> str:
    """What the judged release of transformers requires of a library, empty where nothing."""
    wanted = library.replace("_", "-")
    lines = (line.replace("(", "").replace(")", "") for line in requires(minor(facts.transformers)))
    return next((line for line in lines if re.match(rf"{wanted}[<>=!~]", line)), "")


def _newest(library: str, transformers: Version, allowed: str = "") -> Version:
    """The newest release that a transformers release allows, and whose metadata accepts it."""
    from packaging.version import Version

    table = _table()
    wants = table["requires"].get(library, {})
    for text in reversed(table["releases"][library]):
        needs = wants.get(".".join(text.split(".")[:2]), "")
        if allowed and not within(allowed, text):
            continue
        if not needs or within(f"transformers {needs}", transformers):
            return Version(text)
    return Version(table["releases"][library][0])


def argument(callee: str, name: str) -> tuple[str, Life] | None:
    """The callee that decides on an argument and the releases that take it; None: nothing is known against it.

    >>> argument("transformers.TrainingArguments", "evaluation_strategy")[1].ended((5, 0))
    (4, 50)
    """
    row = _table()["callables"].get(callee)
    while row is not None:
        for spans, names in row.items():
            if spans != "base" and name in names.split():
                return callee, Life(spans)
        callee = row.get("base", "")
        row = _table()["callables"].get(callee)
    return None


def named(words: Set[bytes]) -> bool:
    """Whether a file's words name a callable and an argument of it that some release does not take."""
    return any(not names.isdisjoint(words) and not arguments.isdisjoint(words) for names, arguments in _changing())


@cache
def _changing() -> tuple[tuple[frozenset[bytes], frozenset[bytes]], ...]:
    """How callables are called by, and those of their arguments that some release does not take."""
    found: dict[frozenset[bytes], frozenset[bytes]] = {}
    for callee in _table()["callables"]:
        arguments, at = set[str](), callee
        while row := _table()["callables"].get(at):
            arguments |= {name for spans, names in row.items() if spans != "base" for name in names.split()}
            at = row.get("base", "")
        names = frozenset({callee.rpartition(".")[2].encode(), *HANDED.get(callee, ())})
        found[names] = found.get(names, frozenset()) | {name.encode() for name in arguments}
    return tuple(found.items())


def imported(module: str, name: str) -> Life | None:
    """The releases in which `from module import name` works, None where the table knows nothing against it."""
    rows = _table()["names"].get(module, {})
    for wanted in ("*", name):
        for spans, names in rows.items():
            if wanted and wanted in names.split():
                return Life(spans)
    return None


def base(callee: str) -> str:
    """The class of transformers that a class of another library is derived from, empty where none."""
    found: str = _table()["callables"].get(callee, {}).get("base", "")
    return found


def demands(library: str, version: Version) -> str:
    """What a release of a library requires of transformers, as a requirement; empty where nothing, or not known."""
    needs = _table()["requires"].get(library, {}).get(".".join(map(str, minor(version))), "")
    return f"transformers {needs}" if needs else ""


def lost(library: str, life: Life, release: Minor) -> Minor | None:
    """The first release after the judged one that lacks something; of transformers, the first of the matrix."""
    later = MATRIX if library == "transformers" else [_minor(text) for text in _table()["releases"][library]]
    return next((each for each in later if each > release and each not in life), None)


def _minor(text: str) -> Minor:
    major, second = text.split(".")[:2]
    return int(major), int(second)


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((Path(__file__).parent / "signatures.json").read_text("utf-8"))
    return table
