"""A plan as its reader sees it before saying yes."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from doctor.commands import terminal
from doctor.report import Report
from doctor.report.wording import count, homeless, printable, short, wrapped

if TYPE_CHECKING:
    from rich.console import Console

    from doctor.fix.plan import Edit, Plan


def show(plan: Plan, report: Report, console: Console, diff: bool) -> None:
    """Print the diff, then what would be rewritten, what the user has to run or set, and what is left as it is."""
    if diff and plan.edits:
        terminal.diff(plan.diff(), console)
        terminal.line(console)
    if plan.edits:
        terminal.line(console, (f"{count(len(plan.edits), 'file')} to rewrite", "bold"))
    for edit in plan.edits:
        _edit(edit, report, console)
    for note in dict.fromkeys(edit.note for edit in plan.edits if edit.note):
        _prose(f"Note: {note}", "  ", "dim", console)
    exports = [f"export {name}={shlex.quote(value)}" for name, value in plan.variables.items()]
    for title, lines in (("To set", exports), ("To run", plan.commands), ("To configure", plan.config)):
        if lines:
            terminal.line(console, (f"{title} (the doctor does not do this for you)", "bold"))
        for text in lines:
            terminal.line(console, "  ", (printable(text), "bold green"))
    if any("pip install" in text for text in plan.commands):
        _prose(
            f"One set of versions for all of them, asked of the package index: {report.fix} --packages",
            "  ",
            "dim",
            console,
        )
    # What no patch is for stands in the report already.
    reported = {finding.message for finding in report.diagnosis.findings}
    refused = [left for left in plan.left if left.reason not in reported]
    if refused:
        terminal.line(console, ("Left as it is", "bold"))
    for left in refused:
        terminal.line(console, "  ", (short(left.path, report), "cyan"))
        _prose(homeless("; ".join(filter(None, (left.reason, left.remedy))), report), "    ", "", console)


def _edit(edit: Edit, report: Report, console: Console) -> None:
    lines = edit.diff().partition("\n@@")[2].splitlines()
    added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    new = " (new)" if edit.digest is None else ""
    terminal.line(
        console, "  ", (short(edit.path, report), "cyan"), new, (f" +{added}", "green"), (f" -{removed}", "red")
    )
    _prose(", ".join(edit.patches), "    ", "", console)


def _prose(text: str, indent: str, style: str, console: Console) -> None:
    for words in wrapped(printable(text), min(console.width, 100) - len(indent)):
        terminal.line(console, indent, (words, style))
