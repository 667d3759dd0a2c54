"""The report for people, in colour where the terminal has it."""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from doctor import __version__
from doctor.model import Finding, Remedy, Severity
from doctor.report import Report
from doctor.report.groups import Entry, Group, groups
from doctor.report.wording import closing, count, gpus, homeless, judged, place, printable, severity, short, skipped
from doctor.report.wording import versions as versions_of

MARKS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.HINT: "·", None: "✓"}
PLAIN_MARKS = {Severity.ERROR: "x", Severity.WARNING: "!", Severity.HINT: "-", None: "+"}
STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.HINT: "bold cyan", None: "green"}
NARROW = "\xa0"
"""Holds the words of one item together on a line."""
WIDEST = 100
"""Prose is not set wider than this, however wide the terminal."""
SKIPS = 5
"""How many skipped things and healthy groups are named without -v."""


def render(report: Report) -> str:
    """The report as text, 80 columns, without colour."""
    page = io.StringIO()
    show(report, Console(file=page, width=80, color_system=None, force_terminal=False))
    return page.getvalue()


def show(report: Report, console: Console) -> None:
    """Print the report."""
    _Page(report, console).print()


class _Page:
    def __init__(self, report: Report, console: Console) -> None:
        self.report, self.console = report, console
        self.width = min(console.width, WIDEST)
        utf = "utf" in (console.encoding or "utf-8").lower()
        self.marks, self.arrow, self.dot = (MARKS, "→", " · ") if utf else (PLAIN_MARKS, "->", ", ")

    def print(self) -> None:
        self.header()
        quiet = []
        for group in groups(self.report):
            if group.findings:
                self.group(group)
            else:
                quiet.append(group)
        self.healthy(quiet)
        self.skips()
        self.end()

    def line(self, *parts: str | tuple[str, str], indent: int = 0) -> None:
        """One line, never wrapped or cut by us: paths and commands stay whole."""
        self.console.print(Text.assemble(" " * indent, *parts), soft_wrap=True, highlight=False)

    def prose(self, text: str, indent: int, style: str = "", lead: str = "") -> None:
        """Words wrapped to the page; a path longer than the page stays whole."""
        lines = textwrap.wrap(
            text, max(self.width - indent - len(lead), 30), break_long_words=False, break_on_hyphens=False
        )
        for number, words in enumerate(lines):
            self.line(
                (lead if number == 0 else " " * len(lead), "green"), (words.replace(NARROW, " "), style), indent=indent
            )

    def header(self) -> None:
        facts = self.report.facts
        where = short(facts.python.prefix or facts.python.executable, self.report)
        self.line((f"doctor {__version__}", "bold"), f"  Python {facts.python.version}", (f"  {where}", "dim"))
        shown = [f"{name} {version}" if version else f"no {name}" for name, version in versions_of(facts)]
        self.prose(self.dot.join(part.replace(" ", NARROW) for part in (*shown, gpus(facts))), 0)
        note = judged(self.report)
        if note:
            self.prose(note, 0, "italic")
        if facts.machine.note:
            self.prose(printable(facts.machine.note), 0, "dim")

    def group(self, group: Group) -> None:
        self.line()
        note = (f"  {group.note}", "dim")
        self.line(self.mark(group.worst), " ", (printable(group.title), "bold"), note if group.note else "")
        folder = self.folder(group)
        if folder:
            self.line((short(folder, self.report) + "/", "dim"), indent=2)
        for entry in group.entries():
            self.entry(entry, folder)

    def folder(self, group: Group) -> str:
        """Where the findings lie, said once where whole paths would not fit into a line."""
        paths = [finding.where.path for finding in group.findings if finding.where]
        if all(len(short(path, self.report)) < self.width - 16 for path in paths):
            return ""
        return os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120

    def mark(self, severity: Severity | None) -> tuple[str, str]:
        return self.marks[severity], STYLES[severity]

    def entry(self, entry: Entry, folder: str) -> None:
        first = entry.first
        self.line(self.mark(severity(first)), " ", printable(first.title), (f"  {first.id}", "dim"), indent=2)
        if first.where:
            self.line((place(first, self.report, folder), "cyan"), indent=4)
        messages = entry.messages()
        for message, findings in messages.items():
            lines = _lines(findings if len(messages) > 1 else findings[1:])
            note = f" (also {lines})" if lines and len(messages) == 1 else f"{lines}: " if lines else ""
            text = printable(homeless(message, self.report))
            self.prose(text + note if note.startswith(" ") else note + text, 4)
        for remedy in dict.fromkeys(finding.remedy for finding in entry.findings):
            self.remedy(remedy)

    def remedy(self, remedy: Remedy) -> None:
        self.prose(printable(homeless(remedy.text, self.report)), 4, lead=f"{self.arrow} ")
        for line in (remedy.value or "").splitlines():
            export = "export " if remedy.kind == "variable" and not line.startswith("export ") else ""
            self.line((export + printable(line), "bold green"), indent=6)

    def healthy(self, quiet: list[Group]) -> None:
        """One line for each healthy thing the user owns, scripts as a count."""
        named = [group for group in quiet if self.report.verbose or group.note != "script"]
        shown = named if self.report.verbose else named[: SKIPS + 1]
        if quiet:
            self.line()
        for group in shown:
            note = (f"  {group.note}", "dim")
            self.line(self.mark(None), " ", printable(group.title), note if group.note else "")
        more = len(quiet) - len(shown)
        if more:
            others = "other file or model" if any(g.note != "script" for g in quiet[len(shown) :]) else "script"
            self.line(self.mark(None), " ", count(more, others, "other files and models" if " " in others else None))

    def skips(self) -> None:
        skips = self.report.diagnosis.skipped
        if not skips:
            return
        self.line()
        self.line(("Not examined", "dim"))
        shown = skips if self.report.verbose else skips[:SKIPS]
        for skip in shown:
            self.line((skipped(skip, self.report), "dim"), indent=2)
        if len(shown) < len(skips):
            self.line((f"and {len(skips) - len(shown)} more: doctor check -v", "dim"), indent=2)

    def end(self) -> None:
        self.line()
        worst = min((severity(f) for f in self.report.diagnosis.findings), key=list(Severity).index, default=None)
        said, command = closing(self.report)
        self.line((said, STYLES[worst]), " " if command else "", (command, "bold green"))


def _lines(findings: Iterable[Finding]) -> str:
    """`line 12`, `lines 12, 30`; in notebooks `cell 2 line 3`."""
    numbers = list(dict.fromkeys(_line(finding) for finding in findings if finding.where and finding.where.line))
    return f"{'line' if len(numbers) == 1 else 'lines'} {', '.join(numbers)}" if numbers else ""


def _line(finding: Finding) -> str:
    where = finding.where
    assert where is not None
    return str(where.line) if where.cell is None else f"{where.line} of cell {where.cell}"
