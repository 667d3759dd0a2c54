"""Words that every format shares: safe text, short paths, versions and counts."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from doctor.model import NEWEST, Facts, Finding, Severity, Skip, normalise
from doctor.printable import printable as printable
from doctor.report import Report

if TYPE_CHECKING:
    from packaging.version import Version

PACKAGES = ("transformers", "torch", "peft", "bitsandbytes")


def short(path: str, report: Report) -> str:
    """A path relative to the working directory where it lies below it, else with `~` for the home folder."""
    below = report.facts.directory.rstrip("/") + "/"
    if len(below) > 1 and path.startswith(below):
        return printable(path[len(below) :])
    if path == report.facts.directory:
        return "."
    return printable(homeless(path, report))


def homeless(text: str, report: Report) -> str:
    """Text in which the home folder is `~`."""
    if len(report.home) < 2:
        return text
    return re.sub(re.escape(report.home.rstrip("/")) + r"(?=[/\s:'\"`]|$)", "~", text)


def place(finding: Finding, report: Report, folder: str = "") -> str:
    """`path:line` of a finding, the path short, or relative to a folder it lies in."""
    where = finding.where
    if where is None:
        return ""
    path = printable(where.path[len(folder) + 1 :]) if folder else short(where.path, report)
    return path + str(where)[len(where.path) :]


def versions(facts: Facts, names: tuple[str, ...] = PACKAGES) -> list[tuple[str, str | None]]:
    """Name and version of the distributions a report names; None where absent."""
    return [(name, printable(facts.packages[name].version) if name in facts.packages else None) for name in names]


def stack(facts: Facts) -> list[str]:
    """The versions in words: `transformers 5.23.0`, `torch 2.13.0`, `no peft, bitsandbytes`."""
    found = versions(facts)
    absent = ", ".join(name for name, version in found if version is None)
    return [f"{name} {version}" for name, version in found if version] + ([f"no {absent}"] if absent else [])


def gpus(facts: Facts) -> str:
    """The accelerators in words: `2 x NVIDIA L4 22.0 GiB`, `no GPU`."""
    names = [f"{printable(gpu.name)} {gpu.memory / 2**30:.1f} GiB" for gpu in facts.machine.gpus]
    if not names:
        return "no GPU"
    return ", ".join(f"{names.count(n)} x {n}" if names.count(n) > 1 else n for n in dict.fromkeys(names))


def together(facts: Facts) -> str:
    """The ranks of a launch in words: `4 ranks on 2 hosts, 1 of them silent`; empty where the doctor runs alone."""
    if not facts.ranks:
        return ""
    hosts = {rank.host for rank in facts.ranks if not rank.silent}
    silent = sum(bool(rank.silent) for rank in facts.ranks)
    words = f"{count(len(facts.ranks), 'rank')} on {count(len(hosts), 'host')}"
    return f"{words}, {silent} silent" if silent else words


def judged(report: Report) -> str | None:
    """What the findings were judged against, where that is not the installed release, or not a known one."""
    if "transformers" not in report.facts.packages and not report.against:
        return f"no transformers is installed here: judged against {NEWEST}, the newest known release"
    against = f"judged against {' and '.join(report.against)}" if report.against else ""
    newer = [
        f"{release} is newer than {NEWEST}, the newest known release: what it changed is not known"
        for release in _unknown(report)
    ]
    return "; ".join(filter(None, (against, *newer))) or None


def _unknown(report: Report) -> list[Version]:
    """The judged releases of transformers that came after this doctor."""
    from packaging.version import Version

    releases = [report.facts.transformers]
    if report.against:
        from packaging.requirements import Requirement

        asked = [wanted for wanted in map(Requirement, report.against) if normalise(wanted.name) == "transformers"]
        releases = [Version(each.version) for wanted in asked for each in wanted.specifier] or releases
    return [release for release in releases if release.release[:2] > Version(NEWEST).release[:2]]


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a paragraph; a path or command longer than the width stays whole."""
    return textwrap.wrap(text, max(width, 30), break_long_words=False, break_on_hyphens=False)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def tally(report: Report) -> str:
    """`2 errors, 1 warning`; `no error or warning, 1 hint`; empty where nothing was found."""
    found = [count(number, name) for name, number in report.summary.items() if number]
    mild = report.summary["hint"] and len(found) == 1
    return ", ".join(["no error or warning", *found] if mild else found)


def examined(facts: Facts) -> str:
    """What the scan went through, in counts."""
    files = {
        kind: sum(source.kind == kind for source in facts.sources)
        for kind in ("remote-code", "script", "notebook", "text")
    }
    rows = sum(data.rows for data in facts.data)
    parts = [
        count(len(facts.packages), "distribution"),
        count(len(facts.models), "model folder") if facts.models else "",
        f"{count(len(facts.data), 'data set')} of {count(rows, 'row')}" if facts.data else "",
        count(files["remote-code"], "remote-code file") if files["remote-code"] else "",
        count(files["script"], "script") if files["script"] else "",
        count(files["notebook"], "notebook") if files["notebook"] else "",
        count(files["text"], "other file") if files["text"] else "",
    ]
    return ", ".join(filter(None, parts))


def closing(report: Report) -> tuple[str, str]:
    """The last line: what was found, and the command that mends what can be mended (empty where nothing can)."""
    found = tally(report)
    found = found[:1].upper() + found[1:]
    if not found:
        missed = len(report.diagnosis.skipped)
        return f"Nothing to mend. Examined: {examined(report.facts)}" + (f"; {missed} not." if missed else "."), ""
    fixable, total = len(report.fixable), len(report.diagnosis.findings)
    if not fixable:
        return f"{found}.", ""
    all_of_them = {1: "it", 2: "both"}.get(total, f"all {total}")
    which = all_of_them if fixable == total else f"the {fixable} fixable"
    return f"{found}. Mend {which}:", report.fix


def skipped(skip: Skip, report: Report) -> str:
    """A skip as `path: reason`."""
    return f"{short(skip.id, report)}: {printable(homeless(skip.reason, report))}"


def severity(finding: Finding) -> Severity:
    """A finding's severity; one that no check completed is a hint."""
    return finding.severity or Severity.HINT


def lines(findings: Iterable[Finding]) -> str:
    """`line 12`, `lines 12, 30`; in notebooks `line 3 of cell 2`."""
    numbers = list(dict.fromkeys(_line(finding) for finding in findings if finding.where and finding.where.line))
    return f"{'line' if len(numbers) == 1 else 'lines'} {', '.join(numbers)}" if numbers else ""


def _line(finding: Finding) -> str:
    where = finding.where
    assert where is not None
    return str(where.line) if where.cell is None else f"{where.line} of cell {where.cell}"
