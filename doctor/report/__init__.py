"""Findings as text, plain text, JSON, Markdown, HTML, SARIF and GitHub annotations."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doctor import index
from doctor.diagnose import Diagnosis
from doctor.model import Facts, Finding, Remedy, Severity

if TYPE_CHECKING:
    from doctor.verify.verdict import Verdict

FORMATS = ("text", "plain", "json", "markdown", "html", "sarif", "github")


@dataclass(frozen=True)
class Report:
    """What was seen, what the checks answered, and how it was asked."""

    facts: Facts
    diagnosis: Diagnosis
    against: tuple[str, ...] = ()
    """The releases judged instead of the installed one."""
    fail_on: Severity = Severity.ERROR
    fix: str = "doctor fix"
    """The command that mends what this report names; empty after a fix, which did what it could."""
    home: str = ""
    """The user's home folder, printed as `~`."""
    verbose: bool = False
    verified: tuple[Verdict, ...] | None = None
    """What `fix --verify` found; None: not asked for."""

    @property
    def summary(self) -> dict[str, int]:
        """How many findings there are of each severity."""
        found = [finding.severity for finding in self.diagnosis.findings]
        return {severity.value: found.count(severity) for severity in Severity}

    @property
    def fixable(self) -> tuple[Finding, ...]:
        """The findings that `doctor fix` mends by itself: those in a file, with a safe patch."""
        return tuple(f for f in self.diagnosis.findings if self.fix and self.mending(f) == self.fix)

    def mending(self, finding: Finding) -> str:
        """The command that rewrites the finding's file, empty where there is no patch for it."""
        if not self.fix or finding.where is None:
            return ""
        if finding.patch is None:
            return self.fix if finding.replaces and finding.remedy.safe else ""
        unsafe = finding.patch in (entry.id for entry in index.entries() if not entry.safe)
        return f"{self.fix} --unsafe {finding.patch}" if unsafe else self.fix

    def remedy(self, finding: Finding) -> Remedy:
        """What to do: the check's words, with the command that does it where a patch can."""
        command = self.mending(finding)
        if not command:
            return finding.remedy
        return Remedy("edit", finding.remedy.text, command, safe=command == self.fix)

    @property
    def failed(self) -> bool:
        """Whether something is at or above `fail_on`."""
        return bool(self.diagnosis.at_least(self.fail_on))


def render(report: Report, format: str) -> str:
    """The report in one of FORMATS, without colour."""
    text: str = importlib.import_module(f"doctor.report.{format}").render(report)
    return text
