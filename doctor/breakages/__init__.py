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

from doctor.code import Code
from doctor.model import Check, Facts, Finding, Machine, Package, Remedy, Severity, normalise, within
from doctor.pinned import NEEDLES, Pin, clashes, installed, pins, remedy

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
        if found := self._found(facts):
            names = " and ".join(found.values())
            verb = "is" if len(found) == 1 else "are"
            yield Finding(f"{names} {verb} installed: {self._said}", self.remedy)

    def read(self, code: Code, facts: Facts) -> Iterator[Finding]:
        """The finding, if a file pins one of the alternatives.

        Hints are about what may never be used; what depends on variables, the machine or packages that are absent
        cannot be told from a file.
        """
        pinned = pins(code)
        if self.when or self.severity is Severity.HINT or not any(pinned.keys() >= name for name in self._names):
            return
        found = self._found(installed(pinned))
        if found.keys().isdisjoint(clash.pin.name for clash in clashes(pinned)) and found:
            beside = [pinned[name] for name in found]
            last = beside[-1]
            others = " and ".join(map(str, beside[:-1]))
            told = f"{last} is pinned beside {others}" if others else f"{last} is pinned"
            yield Finding(f"{told}: {self._said}", self._advice(last), last.where)

    @property
    def _said(self) -> str:
        return f"{self.title[:1].lower()}{self.title[1:]}"

    @property
    def _names(self) -> Sequence[set[str]]:
        return [{_name(requirement) for requirement in wanted} for wanted in self.affects]

    def _found(self, facts: Facts) -> Mapping[str, str]:
        """`name version` of each package of the first alternative that is there, by name."""
        for wanted, names in zip(self.affects, self._names, strict=True):
            # Most name a package that is not there, and parsing a requirement takes longer than looking for one.
            if names <= facts.packages.keys():
                found = {_name(requirement): _installed(requirement, facts) for requirement in wanted}
                if all(found.values()):
                    return {name: told for name, told in found.items() if told}
        return {}

    def _advice(self, pin: Pin) -> Remedy:
        asked = re.fullmatch(r"pip install (?:'([^']+)'|(\S+))", str(self.remedy.value))
        text = remedy(pin.where.path, asked[1] or asked[2]) if asked else self.remedy.text
        return Remedy("advice", text)

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
            read=self.read,
            needles=NEEDLES,
            kinds=("text",),
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
