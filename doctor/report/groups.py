"""Findings grouped by what the user owns: the environment, each model or repository, each file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from doctor.model import Facts, Finding, Remedy, Severity, Source
from doctor.pinned import is_lock
from doctor.report import Report
from doctor.report.wording import count, severity, short

ENVIRONMENT = "This environment"
FILES = ("script", "notebook", "shell script", "configuration", "requirements", "lock", "image", "file")
"""What a file of a project is, in the words of a group's note."""


@dataclass(frozen=True)
class Entry:
    """The findings of one check in one file, in the order of their lines."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        return self.findings[0]

    @property
    def path(self) -> str:
        """The file they are in, empty where they are in none."""
        return self.first.where.path if self.first.where else ""

    def remedies(self) -> tuple[Remedy, ...]:
        """Each remedy once."""
        return tuple(dict.fromkeys(finding.remedy for finding in self.findings))

    def messages(self) -> dict[str, list[Finding]]:
        """Each message once, with the findings that say it."""
        said: dict[str, list[Finding]] = {}
        for finding in self.findings:
            said.setdefault(finding.message, []).append(finding)
        return said


@dataclass
class Group:
    """One thing the user owns and what was found in it; `note` says what it is."""

    title: str
    note: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def worst(self) -> Severity | None:
        """The severity of its worst finding, None where it has none."""
        return min((severity(f) for f in self.findings), key=list(Severity).index, default=None)

    def entries(self) -> Iterator[Entry]:
        """Its findings folded by check and file, worst first."""
        folded: dict[tuple[str, Severity, str], list[Finding]] = {}
        for finding in self.findings:
            path = finding.where.path if finding.where else ""
            folded.setdefault((finding.id, severity(finding), path if path else finding.message), []).append(finding)
        for findings in folded.values():
            yield Entry(tuple(findings))


def groups(report: Report) -> list[Group]:
    """Every group, the environment first, then models and repositories, then files."""
    owner = _owners(report)
    found: dict[str, Group] = {ENVIRONMENT: Group(ENVIRONMENT)}
    for key, note in owner.values():
        found.setdefault(key, Group(key, note))
    folders = sorted((path for path, (_, note) in owner.items() if note not in FILES), key=len, reverse=True)
    for finding in report.diagnosis.findings:
        key = _key(finding, owner, folders, report)
        found.setdefault(key, Group(key)).findings.append(finding)
    return list(found.values())


def _owners(report: Report) -> dict[str, tuple[str, str]]:
    """Path of a file or model folder to the title and note of its group; what was skipped belongs to none."""
    owners: dict[str, tuple[str, str]] = {}
    facts, skipped = report.facts, {skip.id for skip in report.diagnosis.skipped}
    for model in facts.models:
        owners[model.path] = (model.repository or short(model.path, report), "model")
    for data in facts.data:
        owners[data.path] = (short(data.path, report), f"data, {count(data.rows, 'row')}")
    for path in (*(launch.path for launch in facts.launches), *(export.path for export in facts.exports)):
        owners[path] = (short(path, report), "launch")
    for source in facts.sources:
        if source.path in skipped:
            continue
        if source.kind == "remote-code":
            owners[source.path] = (
                _repository(source.path, source.repository, source.model, facts, report),
                "remote code",
            )
        else:
            owners[source.path] = (short(source.path, report), _file(source))
    return dict(sorted(owners.items(), key=lambda owner: owner[1][1] in FILES))


def _file(source: Source) -> str:
    """What a file of a project is, by its name."""
    if source.kind != "text":
        return source.kind
    name = source.path.rpartition("/")[2]
    if is_lock(source.path):
        return "lock"
    endings = {(".txt", ".in", ".toml", "Pipfile"): "requirements", (".yaml", ".yml"): "configuration"}
    endings |= {(".sh", ".bash", ".slurm", ".sbatch"): "shell script"}
    known = (note for ends, note in endings.items() if name.endswith(ends))
    return "image" if "Dockerfile" in name else next(known, "file")


def _repository(path: str, repository: str | None, model: str | None, facts: Facts, report: Report) -> str:
    folder = next((known for known in facts.models if known.path == model), None)
    if folder is not None:
        return folder.repository or short(folder.path, report)
    from pathlib import PurePath

    return repository or short(str(PurePath(path).parent), report)


def _key(finding: Finding, owner: dict[str, tuple[str, str]], folders: list[str], report: Report) -> str:
    if finding.where is None:
        return ENVIRONMENT
    path = finding.where.path
    if path in owner:
        return owner[path][0]
    above = next((folder for folder in folders if path.startswith(folder.rstrip("/") + "/")), None)
    if above:
        return owner[above][0]
    python = report.facts.python
    ours = any(path.startswith(folder.rstrip("/") + "/") for folder in (python.prefix, *python.paths) if folder)
    return ENVIRONMENT if ours else short(path, report)
