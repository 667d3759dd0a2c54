"""The contract's JSON object, schema 1."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from doctor import __version__
from doctor.facts import dump
from doctor.model import Finding, Remedy
from doctor.report import Report
from doctor.report.wording import severity


def render(report: Report) -> str:
    """The report as one JSON object, facts included but not the text of the files."""
    return json.dumps(to_object(report), indent=2) + "\n"


def to_object(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "schema": 1,
        "doctor": __version__,
        "facts": dump(report.facts, sources=False),
        "findings": [_finding(finding, report.remedy(finding)) for finding in report.diagnosis.findings],
        "skipped": [asdict(skip) for skip in report.diagnosis.skipped],
        "summary": report.summary,
    }


def _finding(finding: Finding, remedy: Remedy) -> dict[str, Any]:
    where = finding.where
    return {
        "id": finding.id,
        "family": finding.family,
        "severity": severity(finding).value,
        "title": finding.title,
        "message": finding.message,
        "where": {key: value for key, value in asdict(where).items() if key != "cell" or value is not None}
        if where
        else None,
        "patch": finding.patch,
        "remedy": asdict(remedy),
    }
