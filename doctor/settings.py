"""`[tool.doctor]` of the nearest pyproject.toml: what a project always wants selected, ignored or failed on."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os.path import dirname, join
from typing import TYPE_CHECKING, Any

from doctor.model import Finding, Severity

if TYPE_CHECKING:
    from doctor.diagnose import Diagnosis

KEYS = ("select", "ignore", "per-file-ignores", "fail-on")


class UsageError(Exception):
    """What the user wrote cannot be done; the message says what and what to write instead.  Exit code 2."""


@dataclass(frozen=True)
class Settings:
    """The project's wishes; `path` is the pyproject.toml they stand in."""

    path: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Glob, relative to the pyproject's folder, to the ids ignored there."""
    fail_on: Severity | None = None

    def without_ignored(self, diagnosis: Diagnosis) -> Diagnosis:
        """The diagnosis less the findings that `per-file-ignores` switches off."""
        if not self.per_file:
            return diagnosis
        return replace(diagnosis, findings=tuple(f for f in diagnosis.findings if not self._ignores(f)))

    def _ignores(self, finding: Finding) -> bool:
        if finding.where is None or self.path is None:
            return False
        from pathlib import Path

        try:
            name = Path(finding.where.path).relative_to(dirname(self.path)).as_posix()
        except ValueError:
            return False
        return any(finding.id in ids and fnmatch.fnmatch(name, glob) for glob, ids in self.per_file.items())


def read_settings(folder: str) -> Settings:
    """The settings of the nearest pyproject.toml at or above a folder; raises UsageError where they are wrong."""
    path = join(folder, "pyproject.toml")
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return read_settings(dirname(folder)) if dirname(folder) != folder else Settings()
    return _parse(path, data) if b"tool.doctor" in data else Settings()


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'X'?` for the known word closest to one, or nothing."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def chosen_ids(wanted: Iterable[str], known: Iterable[str], where: str, what: str = "check") -> tuple[str, ...]:
    """The ids as they came; raises UsageError, with the nearest id, where one is not known."""
    names, found = tuple(wanted), frozenset(known)
    for name in names:
        if name not in found:
            raise UsageError(f"{where}: there is no {what} {name!r}{nearest(name, found)}")
    return names


def _parse(path: str, data: bytes) -> Settings:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table = tomllib.loads(data.decode("utf-8")).get("tool", {}).get("doctor", {})
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{path}: cannot be read as TOML: {error}") from error
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.doctor is not a table")
    for key in table:
        if key not in KEYS:
            raise UsageError(f"{path}: tool.doctor has no key {key!r}{nearest(key, KEYS)}")
    return _settings(path, table)


def _settings(path: str, table: Mapping[str, Any]) -> Settings:
    def ids(key: str, value: object) -> tuple[str, ...]:
        from doctor.diagnose import known

        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise UsageError(f'{path}: tool.doctor.{key} is {value!r}; write a list of ids, e.g. ["removed-import"]')
        return chosen_ids(value, (check.id for check in known()), f"{path}: tool.doctor.{key}")

    per_file = table.get("per-file-ignores", {})
    if not isinstance(per_file, dict):
        raise UsageError(f"{path}: tool.doctor.per-file-ignores is not a table of globs")
    return Settings(
        path,
        ids("select", table.get("select", [])),
        ids("ignore", table.get("ignore", [])),
        {glob: ids(f"per-file-ignores.{glob!r}", names) for glob, names in per_file.items()},
        _severity(path, table.get("fail-on")),
    )


def _severity(path: str, value: object) -> Severity | None:
    names = [severity.value for severity in Severity]
    if value is None:
        return None
    if value not in names:
        raise UsageError(f"{path}: tool.doctor.fail-on is {value!r}; write one of {', '.join(names)}")
    return Severity(value)
