"""One finding a line, `path:line:column: severity id message`, its remedy indented below: for grep and editors."""

from __future__ import annotations

from doctor.model import Finding, Remedy
from doctor.report import Report
from doctor.report.wording import closing, gpus, judged, printable, severity, stack


def render(report: Report) -> str:
    """The report as plain text."""
    facts = report.facts
    lines = [f"# {', '.join([f'Python {facts.python.version}', *stack(facts), gpus(facts)])}"]
    if note := judged(report):
        lines.append(f"# {note}")
    for finding in report.diagnosis.findings:
        lines += _finding(finding, report.remedy(finding))
    lines += [f"# skipped {printable(skip.id)}: {printable(skip.reason)}" for skip in report.diagnosis.skipped]
    lines.append(f"# {' '.join(filter(None, closing(report)))}")
    return "\n".join(lines) + "\n"


def _finding(finding: Finding, remedy: Remedy) -> list[str]:
    where = finding.where
    place = "environment"
    if where:
        numbers = [where.line, where.column] if where.line and where.column else [where.line] if where.line else []
        cell = [] if where.cell is None else [f"cell {where.cell}"]
        place = ":".join([printable(where.path), *cell, *map(str, numbers)])
    lines = [f"{place}: {severity(finding).value} {finding.id} {printable(finding.message)}"]
    pasted = (remedy.value or "").splitlines()
    return lines + [f"    {printable(line)}" for line in (remedy.text, *pasted)]
