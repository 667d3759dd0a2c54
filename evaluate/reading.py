"""Reading what the user wrote: YAML and JSON Lines, with errors that name file, row and key."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from doctor.settings import UsageError, nearest


@dataclass(frozen=True)
class Row:
    """One mapping of a file, and how to name it in an error."""

    values: Mapping[str, Any]
    where: str
    """`questions.yaml: row 3`, `answers.jsonl: line 7`."""

    def wrong(self, what: str) -> NoReturn:
        """Refuse the row."""
        name = self.values.get("id")
        raise UsageError(f"{self.where}{f' (id {name!r})' if isinstance(name, str | int) else ''}: {what}")

    def only(self, known: Collection[str]) -> None:
        """Refuse a key that nobody knows."""
        for key in self.values:
            if key not in known:
                hint = nearest(str(key), known) or f"; known are {', '.join(sorted(known))}"
                self.wrong(f"there is no key {key!r}{hint}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text, as written; a number is one where it names something, as an id does."""
        value = self.values.get(key, default)
        if key == "id" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is None and key in self.values and default is not None:
            return default
        if value is None:
            self.wrong(f"has no {key!r}")
        if not isinstance(value, str):
            self.wrong(f"{key!r} is {value!r}, not a text; put it in quotation marks")
        if default is None and not value.strip():
            self.wrong(f"{key!r} is empty")
        return value

    def number(self, key: str, default: float, least: float | None = None) -> float:
        """A number."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            self.wrong(f"{key!r} is {value!r}, not a number")
        if least is not None and value < least:
            self.wrong(f"{key!r} is {value!r}; the least is {least:g}")
        return float(value)

    def integer(self, key: str, default: int, least: int) -> int:
        """A whole number."""
        value = self.number(key, default, least)
        if value != int(value):
            self.wrong(f"{key!r} is {value!r}, not a whole number")
        return int(value)

    def flag(self, key: str) -> bool:
        """Yes or no; no where it is not given."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            self.wrong(f"{key!r} is {value!r}, neither true nor false")
        return value

    def choice(self, key: str, known: Collection[str]) -> str:
        """One of some words, or nothing."""
        value = self.text(key, "")
        if value and value not in known:
            self.wrong(f"{key!r} is {value!r}{nearest(value, known) or ''}; known are {', '.join(known)}")
        return value

    def listed(self, key: str) -> list[Any]:
        """A list; a single entry is a list of one, none is empty."""
        value = self.values.get(key)
        return [] if value is None else value if isinstance(value, list) else [value]


def contents(path: Path, what: str) -> str:
    """The text of a file the user named."""
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}") from error


def yaml(path: Path, what: str) -> Any:
    """A YAML document."""
    import yaml as parser

    try:
        return parser.load(contents(path, what), getattr(parser, "CSafeLoader", parser.SafeLoader))
    except parser.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        raise UsageError(f"{path}:{line} not YAML: {getattr(error, 'problem', None) or error}") from error


def jsonl(path: Path, what: str) -> Iterator[Row]:
    """The rows of a JSON Lines file; empty lines are none."""
    for number, line in enumerate(contents(path, what).split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}: line {number}: not JSON: {error}") from error
        yield row(values, f"{path}: line {number}")


def row(values: Any, where: str) -> Row:
    """A row, which must be a mapping."""
    if not isinstance(values, dict):
        raise UsageError(f"{where} is {str(values)[:40]!r}, not a mapping with an id and a question")
    return Row(values, where)
