"""The contract's JSON object, schema 1."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from doctor import __version__
from doctor.facts import dump
from doctor.model import Finding, Remedy
from doctor.report import Report
from doctor.report.wording import severity

if TYPE_CHECKING:
    from doctor.verify.verdict import Verdict

LARGEST = 3.4e38
"""JSON has no infinity; logits are 32-bit numbers."""


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
        **({} if report.verified is None else {"verified": [_verdict(each) for each in report.verified]}),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    runs = [
        {
            "code": run.code,
            "how": run.how,
            "transformers": run.release or None,
            "python": run.python,
            "failed": run.failed or None,
            "random": list(run.missing),
        }
        for run in verdict.runs
    ]
    return {
        "model": verdict.folder,
        "state": verdict.state,
        "reason": verdict.reason,
        "largest_difference": None if verdict.difference is None else min(verdict.difference, LARGEST),
        "weights": verdict.weights,
        "notes": list(verdict.notes),
        "runs": runs,
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
