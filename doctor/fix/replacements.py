"""Edits of files that are not Python: a finding names the text that its remedy takes the place of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from doctor.fix.edits import Edit
from doctor.model import Facts, Finding


def replacements(findings: Iterable[Finding], facts: Facts) -> tuple[Edit, ...]:
    """One edit a file.  A finding whose text is not where it says changes nothing."""
    sources = {source.path: source for source in facts.sources if source.kind == "text" and source.text is not None}
    by_path: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.where is not None and finding.where.path in sources:
            by_path[finding.where.path].append(finding)
    edits = []
    for path, found in sorted(by_path.items()):
        source = sources[path]
        before = source.text or ""
        after = _replaced(before, found)
        if after != before:
            ids = tuple(sorted({finding.id for finding in found}))
            edits.append(Edit(path, source.digest, before, after, ids))
    return tuple(edits)


def _replaced(text: str, findings: Iterable[Finding]) -> str:
    lines = text.split("\n")
    places = {(f.where.line or 0, f.where.column or 0, f.replaces, f.remedy.value or "") for f in findings if f.where}
    for line, column, old, new in sorted(places, reverse=True):
        words, at = lines[line - 1], column - 1
        if words[at : at + len(old)] == old:
            lines[line - 1] = words[:at] + new + words[at + len(old) :]
    return "\n".join(lines)
