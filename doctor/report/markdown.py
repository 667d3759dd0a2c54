"""The status table one pastes into an issue tracker: versions, GPU, findings, no personal paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from doctor import __version__
from doctor.model import Finding
from doctor.report import Report
from doctor.report.wording import count, gpus, homeless, judged, place, printable, severity, tally, versions

PACKAGES = (
    "transformers",
    "torch",
    "peft",
    "accelerate",
    "bitsandbytes",
    "datasets",
    "tokenizers",
    "huggingface-hub",
    "safetensors",
    "trl",
)


def render(report: Report) -> str:
    """The report as Markdown."""
    lines = _table(("what", "version"), _versions(report))
    if note := judged(report):
        lines += ["", f"{_escaped(note[0].upper() + note[1:])}."]
    lines += ["", f"### {tally(report) or 'No findings'}"]
    if report.diagnosis.findings:
        rows = [_row(finding, report) for finding in report.diagnosis.findings]
        lines += ["", *_table(("severity", "check", "where", "what is", "remedy"), rows)]
    if report.diagnosis.skipped:
        lines += ["", f"{count(len(report.diagnosis.skipped), 'thing')} not examined."]
    return "\n".join(lines) + "\n"


def _versions(report: Report) -> list[tuple[str, str]]:
    facts, machine = report.facts, report.facts.machine
    rows = [
        ("Python", f"{facts.python.version} ({facts.python.kind})"),
        *((name, version or "absent") for name, version in versions(facts, PACKAGES)),
        ("GPU", gpus(facts)),
        ("driver", machine.driver or ""),
        ("CUDA of the driver", machine.cuda or ""),
        ("system", machine.system),
        ("tune-doctor", __version__),
    ]
    return [(name, _escaped(value)) for name, value in rows if value]


def _row(finding: Finding, report: Report) -> tuple[str, ...]:
    remedy = report.remedy(finding)
    todo = _words(homeless(remedy.text, report))
    if remedy.value and f"`{remedy.value}`" not in remedy.text:
        todo += f": {_code(homeless(remedy.value, report))}"
    where = place(finding, report)
    return (
        severity(finding).value,
        finding.id,
        _code(where) if where else "environment",
        _words(homeless(finding.message, report)),
        todo,
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _words(text: str) -> str:
    """A sentence of ours: what stands in backticks is code, the rest shows as it is."""
    return "".join(
        _code(part) if number % 2 else _escaped(part) for number, part in enumerate(re.split(r"`([^`]+)`", text))
    )


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is: no links, HTML, emphasis or table cells of its own."""
    # An underscore within a word is no emphasis.
    return re.sub(r"([\\`*\[\]<>|#]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", printable(text))


def _code(text: str) -> str:
    """Text as inline code, inside a table."""
    fence = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{printable(text)}{pad}{fence}".replace("|", "\\|")
