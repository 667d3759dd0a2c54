"""How often each check answered, the most frequent first."""

from __future__ import annotations

from collections import Counter

from doctor.report import Report
from doctor.report.wording import closing, printable


def render(report: Report) -> str:
    """One line a check: findings, how many a fix mends, id, title; the closing line last."""
    findings = report.diagnosis.findings
    counts = Counter(finding.id for finding in findings)
    fixable = Counter(finding.id for finding in report.fixable)
    titles = {finding.id: printable(finding.title) for finding in findings}
    width = max(map(len, counts), default=0)
    lines = []
    for name, number in counts.most_common():
        mended = f"{fixable[name]} fixable" if fixable[name] else ""
        lines.append(f"{number:5}  {mended:>12}  {name:{width}}  {titles[name]}".rstrip())
    return "\n".join([*lines, " ".join(filter(None, closing(report)))]) + "\n"
