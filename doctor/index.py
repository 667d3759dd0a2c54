"""What the catalogue mends, readable without libcst: patches/index.json, generated from the patches themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from os.path import dirname, join

INDEX = join(dirname(__file__), "patches", "index.json")


@dataclass(frozen=True)
class Entry:
    """One patch: its id, title, page, the releases of its old and new spelling, and what it mends."""

    id: str
    title: str
    doc: str
    old: str
    new: str
    safe: bool
    family: str
    needles: tuple[str, ...]
    mends: tuple[str, ...]


@cache
def entries() -> tuple[Entry, ...]:
    """Every patch of the catalogue, in the order of its id."""
    with open(INDEX, encoding="utf-8") as file:
        rows = json.load(file)
    return tuple(Entry(**{**row, "needles": tuple(row["needles"]), "mends": tuple(row["mends"])}) for row in rows)


@cache
def _menders() -> dict[str, str]:
    return {construct: entry.id for entry in entries() for construct in (entry.id, *entry.mends)}


def mender(construct: str) -> str | None:
    """Id of the patch that removes a construct, or all names of its module; None where the catalogue has none."""
    whole = construct.rpartition(".")[0]
    return _menders().get(construct) or _menders().get(whole)


def build() -> str:
    """The text of index.json, from the patch classes; imports libcst."""
    from doctor.patch import catalogue

    rows = [
        {
            "id": patch.id(),
            "title": page.partition("\n")[0].rstrip("."),
            "doc": page,
            "old": patch.old,
            "new": patch.new,
            "safe": patch.safe,
            "family": patch.family,
            "needles": [needle.decode() for needle in patch.needles],
            "mends": list(patch.mends),
        }
        for patch, page in ((patch, _page(patch)) for patch in catalogue())
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def _page(patch: type) -> str:
    import sys

    page = sys.modules[patch.__module__].__doc__
    if not page:
        raise TypeError(f"{patch.__module__}: a patch needs a docstring: title, why, reference")
    return page.strip()


if __name__ == "__main__":
    with open(INDEX, "w", encoding="utf-8") as file:
        file.write(build())
