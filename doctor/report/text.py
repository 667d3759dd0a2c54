"""The report for people: what the user owns, what is wrong with it, what to paste.

Lines are made of pieces, (words, style), so that rich is needed, and imported, only where there is colour.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from doctor import __version__
from doctor.model import Remedy, Severity
from doctor.report import Report
from doctor.report.groups import FILES, Entry, Group, groups
from doctor.report.wording import (
    closing,
    count,
    gpus,
    homeless,
    judged,
    lines,
    place,
    printable,
    severity,
    short,
    skipped,
    stack,
    together,
    wrapped,
)

if TYPE_CHECKING:
    from rich.console import Console

Piece = tuple[str, str]
Line = list[Piece]
MARKS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.HINT: "·", None: "✓"}
ASCII_MARKS = {Severity.ERROR: "x", Severity.WARNING: "!", Severity.HINT: "-", None: "+"}
STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.HINT: "bold cyan", None: "green"}
PASTE = "bold green"
NARROW = "\xa0"
"""Holds the words of one item together on a line."""
WIDEST = 100
"""Prose is not set wider than this, however wide the terminal."""
SKIPS = 5
"""How many skipped things and healthy groups are named without -v."""


def render(report: Report, width: int = 80, unicode: bool = True) -> str:
    """The report as text, without colour."""
    lines = ("".join(words for words, _ in line) for line in _Page(report, width, unicode).lines())
    return "".join(f"{line.rstrip()}\n" for line in lines)


def show(report: Report, console: Console, brief: bool = False) -> None:
    """Print the report in colour; `brief`: the findings and the closing line only."""
    from rich.text import Text

    page = _Page(report, console.width, "utf" in console.encoding.lower())
    for line in page.findings() if brief else page.lines():
        console.print(Text.assemble(*line), soft_wrap=True, highlight=False)


class _Page:
    def __init__(self, report: Report, width: int, unicode: bool) -> None:
        self.report, self.width = report, min(width, WIDEST)
        self.marks, self.arrow, self.dot = (MARKS, "→ ", " · ") if unicode else (ASCII_MARKS, "> ", ", ")

    def lines(self) -> Iterator[Line]:
        yield from self.header()
        yield from self.healthy()
        yield from self.findings()

    def findings(self) -> Iterator[Line]:
        for group in groups(self.report):
            if group.findings:
                yield from self.group(group)
        yield from self.skips()
        yield from self.end()

    def prose(self, text: str, indent: int, style: str = "", lead: str = "") -> Iterator[Line]:
        """Words wrapped to the page; paths and commands stay whole, even where they are longer than it."""
        room = max(self.width - indent - len(lead), 30)
        for number, words in enumerate(wrapped(text, room)):
            before = lead if number == 0 else " " * len(lead)
            yield [(" " * indent, ""), (before, "green"), (words.replace(NARROW, " "), style)]

    def header(self) -> Iterator[Line]:
        facts = self.report.facts
        where = short(facts.python.prefix or facts.python.executable, self.report)
        yield [(f"doctor {__version__}", "bold"), (f"  Python {facts.python.version}", ""), (f"  {where}", "dim")]
        parts = [*stack(facts), gpus(facts)]
        yield from self.prose(self.dot.join(part.replace(" ", NARROW) for part in parts), 0)
        yield from self.prose(together(facts), 0)
        yield from self.prose(judged(self.report) or "", 0, "italic")
        yield from self.prose(printable(facts.machine.note or ""), 0, "dim")

    def group(self, group: Group) -> Iterator[Line]:
        yield from ([], self.title(group))
        entries, folder = list(group.entries()), ""
        long = any(len(short(entry.path, self.report)) > self.width - 16 for entry in entries)
        for entry, following in zip(entries, [*entries[1:], None], strict=True):
            if long and entry.path and os.path.dirname(entry.path) != folder:  # noqa: PTH120
                folder = os.path.dirname(entry.path)  # noqa: PTH120
                yield [(f"  {short(folder, self.report)}/", "dim")]
            yield from self.entry(entry, folder)
            command = self.report.mending(entry.first)
            # What one command mends together says so once, below the last of them.
            if command and (following is None or self.report.mending(following.first) != command):
                yield [("      ", ""), (command, PASTE)]

    def title(self, group: Group) -> Line:
        mark = (f"{self.marks[group.worst]} ", STYLES[group.worst])
        return [mark, (printable(group.title), "bold" if group.findings else ""), (f"  {group.note}".rstrip(), "dim")]

    def entry(self, entry: Entry, folder: str) -> Iterator[Line]:
        first = entry.first
        mark = (f"  {self.marks[severity(first)]} ", STYLES[severity(first)])
        *above, last = wrapped(f"{printable(first.title)} {NARROW}{first.id}", self.width - 4)
        for number, words in enumerate((*above, last)):
            title, _, name = words.partition(NARROW)
            gap = " " if title and name else ""
            yield [mark if number == 0 else ("    ", ""), (title, "bold"), (gap + name, "dim")]
        if first.where:
            yield [("    ", ""), (place(first, self.report, folder), "cyan")]
        messages = entry.messages()
        shared = entry.remedies() if len(entry.remedies()) == 1 else ()
        for message, findings in messages.items():
            text = printable(homeless(message, self.report))
            if len(messages) > 1:
                yield from self.prose(": ".join(filter(None, (lines(findings), text))), 4)
            else:
                also = lines(findings[1:])
                yield from self.prose(f"{text} (also {also})" if also else text, 4)
            for remedy in () if shared else Entry(tuple(findings)).remedies():
                yield from self.remedy(remedy)
        for remedy in shared:
            yield from self.remedy(remedy)

    def remedy(self, remedy: Remedy) -> Iterator[Line]:
        values = [printable(line) for line in (remedy.value or "").splitlines()]
        if remedy.kind == "variable":
            values = [line if line.startswith("export ") else f"export {line}" for line in values]
        text = printable(homeless(remedy.text, self.report))
        if remedy.kind == "edit" and len(values) == 1 and values[0] in text:
            values = []  # a word to write in the file, and not a line to paste
        if values and text.endswith(f"`{values[0]}`"):
            text = text.removesuffix(f"`{values[0]}`").rstrip() + ":"
        yield from self.prose(text, 4, lead=self.arrow)
        yield from ([("      ", ""), (value, PASTE)] for value in values)

    def healthy(self) -> Iterator[Line]:
        """One line for each healthy thing the user owns, files as a count."""
        quiet = [group for group in groups(self.report) if not group.findings]
        named = [group for group in quiet if self.report.verbose or group.note not in FILES]
        shown = named if self.report.verbose else named[: SKIPS + 1]
        yield from [[]] if quiet else []
        yield from map(self.title, shown)
        more = [group.note for group in quiet if group not in shown]
        if more:
            yield [(f"{self.marks[None]} ", STYLES[None]), (_others(more), "")]

    def skips(self) -> Iterator[Line]:
        skips = self.report.diagnosis.skipped
        if not skips:
            return
        yield from ([], [("Not examined", "dim")])
        shown = skips if self.report.verbose else skips[:SKIPS]
        for skip in shown:
            for number, words in enumerate(wrapped(skipped(skip, self.report), self.width - 4)):
                yield [("    " if number else "  ", ""), (words.replace(NARROW, " "), "dim")]
        if len(shown) < len(skips):
            yield [(f"  and {len(skips) - len(shown)} more: doctor check -v", "dim")]

    def end(self) -> Iterator[Line]:
        worst = min(map(severity, self.report.diagnosis.findings), key=list(Severity).index, default=None)
        said, command = closing(self.report)
        yield from ([], [(said, STYLES[worst]), (f" {command}" if command else "", PASTE)])


def _others(notes: list[str]) -> str:
    """Healthy things that are not named: `2 scripts, 1 other file`."""
    if any(note not in FILES for note in notes):
        return count(len(notes), "other file or model", "other files and models")
    scripts, notebooks = (notes.count(note) for note in FILES[:2])
    others = len(notes) - scripts - notebooks
    what = count(others, "other file") if scripts or notebooks else count(others, "file")
    parts = [count(scripts, "script") if scripts else "", count(notebooks, "notebook") if notebooks else ""]
    return ", ".join(filter(None, (*parts, what if others else "")))
