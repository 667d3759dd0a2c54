"""Facts to Findings: runs every check, survives those that crash, honours suppressions."""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from doctor.code import Code
from doctor.crew import cores, spread
from doctor.index import entries, mender
from doctor.model import Check, Facts, Finding, Location, Package, Remedy, Severity, Skip, Source, complete, normalise
from doctor.parsing import uncollected
from doctor.remote import Layout

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
CRASHED = "check-crashed"
MUCH = 3_000_000
"""Bytes of sources that take a second or so to judge: more of them are judged by several processes."""


@dataclass(frozen=True)
class Diagnosis:
    """What the checks answered; `findings` from the worst to the mildest, then by place."""

    findings: tuple[Finding, ...]
    skipped: tuple[Skip, ...]

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is not None and f.severity >= severity)


@cache
def checks() -> tuple[Check, ...]:
    """Every check, in the order of its id, breakages last.  A file in `doctor/checks/` is the registration."""
    package = importlib.import_module("doctor.checks")
    found: list[Check] = []
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        module = importlib.import_module(f"doctor.checks.{entry.name}")
        found += [value for value in vars(module).values() if isinstance(value, Check)]
    from doctor.breakages import load

    return (*found, *load())


def needles(kind: str, to_fix: bool = False) -> tuple[bytes, ...]:
    """The byte strings one of which a file of this kind must hold to be read by any check.

    Remote code that may be fixed is also read where only a patch matches: the files of one repository are rewritten
    together.
    """
    readers = [check for check in checks() if check.read and kind in check.kinds]
    wanted = {needle for check in readers for needle in check.needles}
    if to_fix and kind == "remote-code":
        wanted |= {needle.encode() for entry in entries() if entry.family == kind for needle in entry.needles}
    return tuple(sorted(wanted))


def diagnose(
    facts: Facts, select: Collection[str] = (), ignore: Collection[str] = (), among: Sequence[Check] | None = None
) -> Diagnosis:
    """Ask every check (or those in `select`), less those in `ignore`."""
    asked = checks() if among is None else among
    chosen = [check for check in asked if (not select or check.id in select) and check.id not in ignore]
    findings: list[Finding] = []
    skipped = list(facts.skipped)
    for check in chosen:
        if check.run is not None:
            try:
                findings += [complete(finding, check) for finding in check.run(facts)]
            except Exception as error:
                findings.append(_crash(check, error))
    readers = [check for check in chosen if check.read is not None]
    if readers and facts.sources:
        layout = Layout(facts)
        sources = [source for source in facts.sources if source.text is not None and not layout.superseded(source)]
        for found, left in _answers(sources, readers, facts):
            findings += found
            skipped += left
    findings = [replace(f, patch=f.patch or mender(f.construct or f.id)) for f in findings]
    ranks = list(Severity)
    findings.sort(key=lambda f: (ranks.index(f.severity or Severity.HINT), *_place(f.where), f.id))
    return Diagnosis(tuple(dict.fromkeys(findings)), tuple(dict.fromkeys(skipped)))


def _answers(
    sources: Sequence[Source], readers: Sequence[Check], facts: Facts
) -> Iterator[tuple[list[Finding], list[Skip]]]:
    """What the checks answer about the sources, part by part; all cores are used where there is much to read."""

    def work(part: Sequence[Source]) -> tuple[list[Finding], list[Skip]]:
        skipped: list[Skip] = []
        with uncollected():
            return [finding for source in part for finding in _read(source, readers, facts, skipped)], skipped

    return spread(work, sources, cores() if sum(source.size for source in sources) > MUCH else 1)


def _place(where: Location | None) -> tuple[str, int, int, int]:
    return (where.path, where.cell or 0, where.line or 0, where.column or 0) if where else ("", 0, 0, 0)


def _read(source: Source, readers: Iterable[Check], facts: Facts, skipped: list[Skip]) -> Iterator[Finding]:
    assert source.text is not None
    try:
        code = Code(source)
    except UNREADABLE as error:
        skipped.append(Skip(source.path, f"is no notebook: {error}"))
        return
    data = (source.text if code.notebook is None else code.text).encode("utf-8", "surrogatepass")
    held = _Held(data)
    wanted = [check for check in readers if source.kind in check.kinds and held.interests(check)]
    if not wanted:
        return
    try:
        if source.kind != "text":
            code.tree  # noqa: B018 (parsed once, here, so that a file that is not Python 3 is one skip)
    except UNREADABLE as error:
        what = "not Python 3" if isinstance(error, SyntaxError) else "cannot be parsed"
        skipped.append(Skip(source.path, f"{what}: {str(error) or 'it is nested too deeply'}"))
        return
    if code.notebook is not None and code.notebook.left_out:
        cells = ", ".join(map(str, code.notebook.left_out))
        skipped.append(Skip(source.path, f"not Python, and not examined: cell {cells}"))
    for check in wanted:
        assert check.read is not None
        try:
            found = [complete(finding, check) for finding in check.read(code, facts)]
        except Exception as error:
            yield _crash(check, error, Location(source.path))
            continue
        for finding in found:
            off = code.ignored(finding.where)
            if off is None or (off and finding.id not in off):
                yield finding


class _Held(dict[bytes, bool]):
    """Which needles the bytes of a file hold; each is searched for once for all checks that name it."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data

    def __missing__(self, needle: bytes) -> bool:
        return self.setdefault(needle, needle in self.data)

    def interests(self, check: Check) -> bool:
        """Whether the file is worth parsing for a check."""
        if not any(map(self.__getitem__, check.needles)):
            return False
        return check.confirm is None or bool(check.confirm(self.data))


def _crash(check: Check, error: Exception, where: Location | None = None) -> Finding:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Finding(
        f"{check.id} crashed: {type(error).__name__}: {error} ({frame.filename.rpartition('/')[2]}:{frame.lineno}); "
        "what it looks for was not checked",
        Remedy("advice", "report it with the file that `doctor check --save-facts facts.json` writes"),
        where=where,
        severity=Severity.ERROR,
        id=CRASHED,
        family=check.family,
        title="A check crashed",
    )


def assume(facts: Facts, requirement: str) -> Facts:
    """The facts as they would be with `name==version` installed (`--against`).

    Raises ValueError where the requirement does not pin one version.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(requirement)
    except InvalidRequirement as error:
        raise ValueError(f"{requirement!r} is not a requirement: {error}") from error
    pins = [s.version for s in wanted.specifier if s.operator == "==" and "*" not in s.version]
    if len(pins) != 1:
        raise ValueError(f"{requirement!r} names no single release: write {wanted.name}==VERSION")
    name = normalise(wanted.name)
    # The metadata on disk is the installed release's, so what the assumed one requires is not known from it.
    assumed = Package(name, pins[0], path=facts.packages[name].path if name in facts.packages else "")
    return replace(facts, packages={**facts.packages, name: assumed}, against=requirement)
