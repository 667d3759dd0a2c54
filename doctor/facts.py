"""Facts as JSON and back, so that a scan can be sent along and judged elsewhere."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from doctor.model import Facts

SCHEMA = 1


def dump(facts: Facts, sources: bool = True) -> dict[str, Any]:
    """The facts as JSON values; `sources=False` leaves the text of the files out."""
    if not sources:
        facts = dataclasses.replace(facts, sources=tuple(dataclasses.replace(s, text=None) for s in facts.sources))
    return {"schema": SCHEMA, **_plain(facts)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value


def load(recorded: Any) -> Facts:
    """The facts that `dump` wrote, alone or within a whole JSON report.

    Raises ValueError, which names the key, where they are of another schema or malformed.
    """
    if not isinstance(recorded, Mapping):
        raise ValueError(f"facts are a JSON object, this is {_kind(recorded)}")
    if isinstance(recorded.get("facts"), Mapping):
        recorded = recorded["facts"]
    if recorded.get("schema") != SCHEMA:
        raise ValueError(f"schema: {recorded.get('schema')!r} was recorded, this release reads {SCHEMA}")
    facts: Facts = _read(Facts, {key: value for key, value in recorded.items() if key != "schema"}, "facts")
    return facts


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, value: Any, key: str) -> Any:
    """A JSON value as the annotation of its field asks for it."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return _record(hint, value, key)  # type: ignore[arg-type]
    if origin in (Union, types.UnionType):
        return None if value is None else _read(next(part for part in inner if part is not type(None)), value, key)
    if origin is Literal:
        return _expect(value in inner, value, key, f"one of {', '.join(inner)}")
    if origin is tuple:
        return _tuple(inner, value, key)
    if origin is Mapping:
        _expect(isinstance(value, dict), value, key, "an object")
        return {name: _read(inner[1], part, f"{key}.{name}") for name, part in value.items()}
    # A bool is an int to Python, not to JSON.
    return _expect(isinstance(value, hint) and (hint is bool or not isinstance(value, bool)), value, key, hint.__name__)


def _record(kind: type, value: Any, key: str) -> Any:
    _expect(isinstance(value, dict), value, key, "an object")
    hints = _hints(kind)
    unknown = [name for name in value if name not in hints]
    if unknown:
        raise ValueError(f"{key}.{unknown[0]}: this release knows no such fact")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name, field in fields.items():
        if name not in value and field.default is field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{key}.{name}: is missing")
    return kind(**{name: _read(hints[name], part, f"{key}.{name}") for name, part in value.items()})


def _tuple(inner: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
    _expect(isinstance(value, list | tuple), value, key, "an array")
    if inner[1:] == (...,):
        return tuple(_read(inner[0], part, f"{key}[{index}]") for index, part in enumerate(value))
    _expect(len(value) == len(inner), value, key, f"an array of {len(inner)}")
    return tuple(_read(part, item, f"{key}[{i}]") for i, (part, item) in enumerate(zip(inner, value, strict=True)))


def _expect(met: bool, value: Any, key: str, wanted: str) -> Any:
    if not met:
        raise ValueError(f"{key}: is {_kind(value)}, expected {wanted}")
    return value


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value)
        return text if len(text) < 60 else f"{text[:57]}..."
    return "an object" if isinstance(value, Mapping) else "an array" if isinstance(value, list | tuple) else "unknown"
