"""SARIF 2.1.0, for code scanning and editors."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from doctor import __version__
from doctor.diagnose import checks
from doctor.model import Finding, Location, Severity
from doctor.report import Report
from doctor.report.wording import printable, severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.HINT: "note"}
ROOT = "SRCROOT"


def render(report: Report) -> str:
    """The report as one SARIF log with one run."""
    return json.dumps(to_object(report), indent=2) + "\n"


def to_object(report: Report) -> dict[str, Any]:
    """The log as plain data."""
    findings = report.diagnosis.findings
    ids = sorted({finding.id for finding in findings})
    driver = {
        "name": "doctor",
        "version": __version__,
        "rules": [_rule(i, findings) for i in ids],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notifications(report)}],
        "results": [_result(finding, ids, report) for finding in findings],
    }
    if report.facts.directory:
        run["originalUriBaseIds"] = {ROOT: {"uri": f"file://{quote(report.facts.directory.rstrip('/'))}/"}}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str, findings: tuple[Finding, ...]) -> dict[str, Any]:
    first = next(finding for finding in findings if finding.id == name)
    doc = next((check.doc for check in checks() if check.id == name), first.title).strip()
    reference = re.search(r"^Reference: (\S+)", doc, re.MULTILINE)
    rule: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": first.title or name},
        "help": {"text": f"doctor explain {name}"},
        "defaultConfiguration": {"level": LEVELS[severity(first)]},
        "properties": {"tags": [first.family or "doctor"]},
    }
    return {**rule, "helpUri": reference[1]} if reference else rule


def _result(finding: Finding, ids: list[str], report: Report) -> dict[str, Any]:
    where, remedy = finding.where, report.remedy(finding)
    todo = remedy.text + (f": {remedy.value}" if remedy.value else "")
    text = printable(f"{finding.message}; {todo}")
    if where is not None and where.cell is not None:
        text = f"cell {where.cell}, line {where.line}: {text}"
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "ruleIndex": ids.index(finding.id),
        "level": LEVELS[severity(finding)],
        "message": {"text": text},
    }
    if where is not None:
        result["locations"] = [{"physicalLocation": _place(where, report)}]
        if finding.replaces:
            result["fixes"] = [_fix(finding, where, report)]
    return result


def _place(where: Location, report: Report) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": _artifact(where.path, report)}
    if where.cell is None and where.line:
        place["region"] = {"startLine": where.line, **({"startColumn": where.column} if where.column else {})}
    return place


def _artifact(path: str, report: Report) -> dict[str, str]:
    directory = report.facts.directory
    if directory and PurePath(path).is_relative_to(directory):
        return {"uri": quote(PurePath(path).relative_to(directory).as_posix()), "uriBaseId": ROOT}
    return {"uri": f"file://{quote(path)}" if path.startswith("/") else quote(path)}


def _fix(finding: Finding, where: Location, report: Report) -> dict[str, Any]:
    column = where.column or 1
    region = {"startLine": where.line, "startColumn": column, "endColumn": column + len(finding.replaces)}
    change = {"deletedRegion": region, "insertedContent": {"text": finding.remedy.value or ""}}
    changes = {"artifactLocation": _artifact(where.path, report), "replacements": [change]}
    return {"description": {"text": printable(finding.remedy.text)}, "artifactChanges": [changes]}


def _notifications(report: Report) -> list[dict[str, Any]]:
    """What was not examined, and why."""
    return [
        {"level": "note", "message": {"text": printable(f"{skip.id}: {skip.reason}")}}
        for skip in report.diagnosis.skipped
    ]
