"""Facts to Findings: runs every check, survives those that crash, honours suppressions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from doctor.crew import cores, spread
from doctor.index import entries, mender
from doctor.model import Check, Facts, Finding, Location, Package, Remedy, Severity, Skip, Source, complete, normalise
from doctor.readers import Readers

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
CRASHED = "check-crashed"
MUCH = 3_000_000
"""Bytes of sources that take a second or so to judge: more of them are judged by several processes."""

REACHING = (
    *(b"torch", b"from .", b"transformers", b"from trl", b"import trl", b"peft", b"accelerate", b"datasets"),
    *(b"huggingface_hub", b"flash_attn", b"causal_conv1d", b"mamba_ssm", b"apex", b"bitsandbytes", b"decord"),
    *(b"deepspeed", b"flax", b"jax", b"librosa", b"mambapy", b"matplotlib", b"moviepy", b"tensorflow", b"triton"),
    b"xformers",
)
"""One of these is in every file of remote code that imports what can break it: a library, or a file beside it."""


@dataclass(frozen=True)
class Diagnosis:
    """What the checks answered; `findings` from the worst to the mildest, then by place."""

    findings: tuple[Finding, ...]
    skipped: tuple[Skip, ...]

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is not None and f.severity >= severity)


@cache
def checks() -> tuple[Check, ...]:
    """Every check with its page and examples, in the order of its id, breakages last."""
    from doctor.breakages import load
    from doctor.checks import every

    return (*every(), *load())


@cache
def known() -> tuple[Check, ...]:
    """The same checks, each imported when it is first asked."""
    from doctor.breakages import load
    from doctor.checks import known

    return (*known(), *load())


def wanted(kind: str, to_fix: bool = False) -> Callable[[bytes], bool]:
    """Whether a file of this kind with these bytes is worth keeping: some check would read it.

    With `to_fix` also where a check or a patch might: the files of one repository are rewritten together.
    """
    if kind == "remote-code" and not to_fix:
        asked = Asked(known(), kind)
        return lambda data: any(True for _ in asked.by(data))
    needles = {check.id: check.needles for check in known() if check.read and kind in check.kinds}
    if to_fix and kind == "remote-code":
        needles |= {e.id: tuple(map(str.encode, e.needles)) for e in entries() if e.family == kind}
    readers = Readers(needles)
    return lambda data: any(True for _ in readers.interested(data))


class Asked:
    """The checks that read files of one kind."""

    def __init__(self, checks: Iterable[Check], kind: str) -> None:
        self._remote = kind == "remote-code"
        self._checks = {check.id: check for check in checks if check.read and kind in check.kinds}
        self._readers = Readers({name: check.needles for name, check in self._checks.items()})

    def by(self, data: bytes) -> Iterator[Check]:
        """Those that a file asks for: one of their needles is in its bytes, and their second look confirms it."""
        if self._remote and not _reaches(data):
            return iter(())
        named = map(self._checks.__getitem__, self._readers.interested(data))
        return (check for check in named if check.confirm is None or check.confirm(data))


def _reaches(data: bytes) -> bool:
    return b"import" not in data or any(library in data for library in REACHING)


def diagnose(
    facts: Facts, select: Collection[str] = (), ignore: Collection[str] = (), among: Sequence[Check] | None = None
) -> Diagnosis:
    """Ask every check (or those in `select`), less those in `ignore`."""
    asked = known() if among is None else among
    chosen = [check for check in asked if (not select or check.id in select) and check.id not in ignore]
    findings: list[Finding] = []
    skipped = list(facts.skipped)
    for check in chosen:
        if check.run is not None:
            try:
                findings += [complete(finding, check) for finding in check.run(facts)]
            except Exception as error:
                findings.append(_crash(check, error))
    if facts.sources:
        from doctor.remote import Layout

        layout = Layout(facts)
        sources = [source for source in facts.sources if source.text is not None and not layout.superseded(source)]
        for found, left in _answers(sources, chosen, facts):
            findings += found
            skipped += left
    findings = [replace(f, patch=f.patch or mender(f.construct or f.id)) for f in findings]
    ranks = list(Severity)
    findings.sort(key=lambda f: (ranks.index(f.severity or Severity.HINT), *_place(f.where), f.id))
    return Diagnosis(tuple(dict.fromkeys(findings)), tuple(dict.fromkeys(skipped)))


def _answers(
    sources: Sequence[Source], chosen: Sequence[Check], facts: Facts
) -> Iterator[tuple[list[Finding], list[Skip]]]:
    """What the checks answer about the sources, part by part; all cores are used where there is much to read."""
    from doctor.parsing import uncollected
    from doctor.remembered import forget

    asked = {kind: Asked(chosen, kind) for kind in {source.kind for source in sources}}

    def work(part: Sequence[Source]) -> tuple[list[Finding], list[Skip]]:
        skipped: list[Skip] = []
        with uncollected():
            found: list[Finding] = []
            for source in part:
                found += _read(source, asked[source.kind], facts, skipped)
                forget()
            return found, skipped

    hands = cores() if sum(source.size for source in sources) > MUCH else 1
    if hands > 1:
        checks()  # imported here, once, and not by every process
    return spread(work, sources, hands)


def _place(where: Location | None) -> tuple[str, int, int, int]:
    return (where.path, where.cell or 0, where.line or 0, where.column or 0) if where else ("", 0, 0, 0)


def _read(source: Source, asked: Asked, facts: Facts, skipped: list[Skip]) -> Iterator[Finding]:
    from doctor.code import Code

    assert source.text is not None
    try:
        code = Code(source)
    except UNREADABLE as error:
        skipped.append(Skip(source.path, f"is no notebook: {error}"))
        return
    data = (source.text if code.notebook is None else code.text).encode("utf-8", "surrogatepass")
    wanted = sorted(asked.by(data), key=lambda check: check.id)
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


def _crash(check: Check, error: Exception, where: Location | None = None) -> Finding:
    import traceback

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
