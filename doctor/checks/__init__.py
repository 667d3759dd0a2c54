"""One file, one check: a pure function of Facts.  Adding a file here adds the check.

What is asked of a check before it answers, such as its id and the bytes it looks for, is in index.json, which
docs/generate.py writes from the files: importing them all takes as long as examining an environment.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from os.path import dirname, join
from typing import Any

from doctor.model import Check, Severity

FOLDER = dirname(__file__)
FUNCTIONS = ("run", "read", "confirm")


@dataclass(frozen=True)
class Later:
    """A function of a check, which is imported when the function is first called."""

    module: str
    function: str

    def __call__(self, *given: Any) -> Any:
        return getattr(load(self.module), self.function)(*given)


def known() -> Iterator[Check]:
    """Every check in the order of its id, without its page and examples; one that the index lacks is imported."""
    with open(join(FOLDER, "index.json"), encoding="utf-8") as file:
        rows = json.load(file)
    return (_known(name, rows[name]) if name in rows else load(name) for name in _names())


def every() -> Iterator[Check]:
    """Every check, imported, in the order of its id."""
    return map(load, _names())


@cache
def load(name: str) -> Check:
    """The check of one file."""
    module = importlib.import_module(f"{__name__}.{name}")
    return next(value for value in vars(module).values() if isinstance(value, Check))


def build() -> str:
    """The text of index.json."""
    return json.dumps({name: _row(load(name)) for name in _names()}, indent=1) + "\n"


def _names() -> list[str]:
    names = (name.removesuffix(".py") for name in os.listdir(FOLDER) if name.endswith(".py"))
    return sorted(name for name in names if name != "__init__")


def _row(check: Check) -> Mapping[str, Any]:
    return {
        "family": check.family,
        "severity": check.severity.value,
        "title": check.title,
        "functions": [name for name in FUNCTIONS if getattr(check, name)],
        "needles": [needle.decode() for needle in check.needles],
        "kinds": list(check.kinds),
    }


def _known(name: str, row: Mapping[str, Any]) -> Check:
    def later(function: str) -> Later | None:
        return Later(name, function) if function in row["functions"] else None

    return Check(
        id=name.replace("_", "-"),
        family=row["family"],
        severity=Severity(row["severity"]),
        doc=row["title"],
        run=later("run"),
        read=later("read"),
        confirm=later("confirm"),
        needles=tuple(map(str.encode, row["needles"])),
        kinds=tuple(row["kinds"]),
    )
