"""One workflow command a finding, which GitHub shows beside the line in a pull request."""

from __future__ import annotations

from doctor.model import Finding, Severity
from doctor.report import Report
from doctor.report.wording import closing, homeless, printable, severity, short

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.HINT: "notice"}


def render(report: Report) -> str:
    """The report as workflow commands, the closing line last."""
    lines = [_command(finding, report) for finding in report.diagnosis.findings]
    return "\n".join([*lines, " ".join(filter(None, closing(report)))]) + "\n"


def _command(finding: Finding, report: Report) -> str:
    where, remedy = finding.where, report.remedy(finding)
    properties = {"title": finding.id}
    if where is not None:
        properties["file"] = short(where.path, report)
        if where.cell is None:
            properties |= {"line": str(where.line or 1), "col": str(where.column or 1)}
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    place = f"cell {where.cell}, line {where.line}: " if where is not None and where.cell is not None else ""
    text = printable(homeless(f"{place}{finding.message}", report)) + "\n" + printable(homeless(remedy.text, report))
    if remedy.value:
        text += f": {printable(homeless(remedy.value, report))}"
    return f"::{LEVELS[severity(finding)]} {given}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
