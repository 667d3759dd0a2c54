"""One TOML file, one combination of versions known to be bad.  Adding a file here adds the check.

A check reads index.json instead, which docs/generate.py writes from the files: eighty of them take longer to parse
than a whole environment to scan.

title = "..."                       first line of the page and of the report
why = "..."                         what happens, and why
affects = [["transformers>=5,<5.4", "bitsandbytes"]]    alternatives; all requirements of one must be installed
severity = "error"                  error, warning or hint
evidence = "verified"               verified: seen on the real packages; read: in their sources or by their authors
reference = "https://..."
remedy = {kind = "command", text = "run `...`", value = "...", safe = false}
when = {unset = ["NAME"], backend = ["cuda"], absent = ["tf-keras"]}    optional; all must hold
hits = [["transformers==5.0.0", "bitsandbytes==0.50.2"]]           package sets that are its tests
misses = [["transformers==5.4.0", "bitsandbytes==0.50.2"]]
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import dirname, join
from typing import Any, overload

from doctor.model import Check, Facts, Finding, Machine, Package, Remedy, Severity, normalise, within

FAMILY = "packages"
OFF = ("", "0", "false", "no", "off")
"""Values of a variable that say no."""


@dataclass(frozen=True)
class Breakage:
    """What one file says."""

    id: str
    title: str
    why: str
    affects: Sequence[Sequence[str]]
    severity: Severity
    remedy: Remedy
    reference: str
    evidence: str
    hits: Sequence[Sequence[str]]
    misses: Sequence[Sequence[str]]
    when: Mapping[str, Any] = field(default_factory=dict)

    def run(self, facts: Facts) -> Iterator[Finding]:
        """The finding, if one of the alternatives is installed."""
        if not _applies(self.when, facts):
            return
        for wanted in self.affects:
            # Most name a package that is not there, and parsing a requirement takes longer than looking for one.
            if not all(_name(requirement) in facts.packages for requirement in wanted):
                continue
            found = [_installed(requirement, facts) for requirement in wanted]
            if all(found):
                names = " and ".join(dict.fromkeys(filter(None, found)))
                verb = "is" if len(set(found)) == 1 else "are"
                yield Finding(f"{names} {verb} installed: {self.title[:1].lower()}{self.title[1:]}", self.remedy)
                return

    @property
    def doc(self) -> str:
        """The page, in the form of a check's docstring."""
        ranges = "\n".join(f"    {' with '.join(wanted)}" for wanted in self.affects)
        return (
            f"{self.title}.\n\nWhy it matters: {self.why}\n\nAffected:\n\n{ranges}\n\n"
            f"What to do: {self.remedy.text}.\n\nEvidence: {self.evidence}.\n\nReference: {self.reference}\n"
        )

    def check(self) -> Check:
        """The breakage as a check, its package sets as the examples."""
        return Check(
            id=self.id,
            family=FAMILY,
            severity=self.severity,
            doc=self.doc,
            run=self.run,
            passes=Examples(self.misses, self.example),
            fails=Examples(self.hits, self.example),
        )

    def example(self, pins: Sequence[str]) -> Facts:
        """Facts with these packages (`name==version`) installed, and everything else that `when` asks for."""
        packages = {}
        for pin in pins:
            name, _, version = pin.partition("==")
            packages[normalise(name)] = Package(normalise(name), version)
        machine = Machine(backend=self.when["backend"][0]) if "backend" in self.when else Machine()
        return Facts(packages=packages, machine=machine)


class Examples(Sequence[Facts]):
    """The facts of package sets, made when they are asked for: a check that is only run needs none."""

    def __init__(self, sets: Sequence[Sequence[str]], make: Callable[[Sequence[str]], Facts]) -> None:
        self.sets, self.make = sets, make

    def __len__(self) -> int:
        return len(self.sets)

    @overload
    def __getitem__(self, index: int) -> Facts: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Facts]: ...
    def __getitem__(self, index: int | slice) -> Facts | Sequence[Facts]:
        return Examples(self.sets[index], self.make) if isinstance(index, slice) else self.make(self.sets[index])


def load() -> tuple[Check, ...]:
    """Every breakage, as a check, in the order of its id."""
    return tuple(breakage.check() for breakage in breakages())


def breakages() -> tuple[Breakage, ...]:
    """Every breakage of the index."""
    with open(join(dirname(__file__), "index.json"), encoding="utf-8") as file:
        rows: dict[str, Any] = json.load(file)
    return tuple(_read(name, table) for name, table in rows.items())


def read() -> tuple[Breakage, ...]:
    """Every breakage of the files themselves, which the index may not have yet."""
    return tuple(_read(name, table) for name, table in _files().items())


def build() -> str:
    """The text of index.json."""
    return json.dumps(_files(), indent=1, sort_keys=True) + "\n"


def _files() -> dict[str, Any]:
    """Every file beside this one, by its id."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    from pathlib import Path

    paths = sorted(Path(__file__).parent.glob("*.toml"))
    return {path.stem: tomllib.loads(path.read_text("utf-8")) for path in paths}


def _read(name: str, table: Mapping[str, Any]) -> Breakage:
    try:
        return Breakage(
            **{**table, "id": name, "severity": Severity(table["severity"]), "remedy": Remedy(**table["remedy"])}
        )
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{name}.toml: {error}") from error


def _installed(requirement: str, facts: Facts) -> str | None:
    """`name version` where a requirement is met by something that is really there (or assumed)."""
    name = _name(requirement)
    version = facts.version(name)
    if version is None or not within(requirement, version):
        return None
    return f"{name} {version}"


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _applies(when: Mapping[str, Any], facts: Facts) -> bool:
    if any(facts.variables.get(name, "0").lower() not in OFF for name in when.get("unset", ())):
        return False
    if any(name in facts.packages for name in when.get("absent", ())):
        return False
    return "backend" not in when or facts.machine.backend in when["backend"]
