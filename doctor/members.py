"""What classes of transformers had, functions took, and overrides were handed, by release.

Read from doctor/members.json, which tools/releases.py makes out of the published wheels.  The tables hold only what
changed, so None means that nothing is known against a name.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from doctor.releases import MATRIX, Life, Minor


def member(kind: str, name: str) -> Life | None:
    """The releases in which a class has an attribute or method, None where it never left."""
    text = _members(kind).get(name)
    return None if text is None else Life(text)


def lost(kind: str) -> frozenset[str]:
    """The names that a class has lost in some release."""
    return frozenset(_members(kind))


@dataclass(frozen=True)
class Parameters:
    """What a function takes: positional names, whether more, names by keyword, whether any."""

    positional: tuple[str, ...]
    required: int
    more: bool
    names: frozenset[str]
    any_name: bool

    @classmethod
    def parse(cls, text: str) -> Parameters:
        """Parameters as members.json writes them: `name`, `name=`, `*`, `:name`, `**`."""
        words = text.split()
        positional = [word for word in words if word[0] not in ":*"]
        names = frozenset(word.strip(":=") for word in words if word not in ("*", "**"))
        required = sum(not word.endswith("=") for word in positional)
        return cls(tuple(word.rstrip("=") for word in positional), required, "*" in words, names, "**" in words)

    @classmethod
    def of(cls, function: ast.FunctionDef) -> Parameters:
        """A method's parameters, without the first."""
        args = function.args
        static = any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
        positional = tuple(arg.arg for arg in (*args.posonlyargs, *args.args))[0 if static else 1 :]
        names = frozenset((*positional, *(arg.arg for arg in args.kwonlyargs)))
        required = len(positional) - len(args.defaults)
        return cls(positional, required, args.vararg is not None, names, args.kwarg is not None)

    def refuses(self, count: int, names: frozenset[str]) -> str | None:
        """Why a call with so many positional arguments and these keywords fails, None where it does not."""
        if count > len(self.positional) and not self.more:
            return f"takes {len(self.positional)} positional arguments but {count} were given"
        unknown = sorted(names - self.names)
        return f"got an unexpected keyword argument '{unknown[0]}'" if unknown and not self.any_name else None


def signature(name: str) -> tuple[tuple[Life, Parameters], ...]:
    """What a function, class or method (`transformers.cache_utils.DynamicCache`) took, for each span of releases.

    A name may be spelled as it is imported from a package above (`transformers.DynamicCache`).
    """
    rows = _table()["signatures"]
    row = rows.get(name) or rows.get(_defined().get(_tail(name), ""), {})
    return tuple((Life(span), Parameters.parse(text)) for span, text in row.items())


def handed(kind: str, method: str) -> tuple[tuple[Life, int, frozenset[str]], ...]:
    """How the library calls what subclasses override: most positional arguments, and names, for each span."""
    text = _table()["handed"].get(kind, {}).get(method, "")
    cells = (cell.partition("=") for cell in text.split("; ") if cell)
    calls = ((Life(span), words.split()) for span, _, words in cells)
    return tuple((life, int(words[0]), frozenset(words[1:])) for life, words in calls)


def judged_rows(judged: Minor) -> list[Minor]:
    """The judged release, then those of the matrix after it."""
    return [judged, *(release for release in MATRIX if release > judged)]


@cache
def _members(kind: str) -> dict[str, str]:
    rows: dict[str, str] = _table()["members"].get(kind, {})
    return {name: span for span, names in rows.items() for name in names.split()}


@cache
def _defined() -> dict[str, str]:
    """`Class` or `Class.method` of the core modules to its whole name."""
    return {_tail(name): name for name in _table()["signatures"] if not name.startswith("transformers.models.")}


def _tail(name: str) -> str:
    """A dotted name from its class on, or the function's name."""
    parts = name.split(".")
    return ".".join(parts[next((i for i, part in enumerate(parts) if part[0].isupper()), len(parts) - 1) :])


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((Path(__file__).parent / "members.json").read_text("utf-8"))
    return table
