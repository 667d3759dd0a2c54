"""The report as one HTML page: findings, and a conversation of every data set as the model reads it, token by token.

The page refers to nothing outside itself and runs no script; everything from outside is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from doctor import __version__
from doctor.model import DataFacts, Finding, Severity, Shown
from doctor.report import Report
from doctor.report.groups import Entry, Group, groups
from doctor.report.html_style import STYLE
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
)

MARKS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.HINT: "·", None: "✓"}


def render(report: Report) -> str:
    """The whole page."""
    facts = report.facts
    where = short(facts.python.prefix or facts.python.executable, report)
    parts = [
        f"<h1>doctor {__version__}</h1>",
        f"<p class=soft>Python {_safe(facts.python.version)} · {_safe(where)}</p>",
        f"<p>{_safe(' · '.join([*stack(facts), gpus(facts)]))}</p>",
        *(f"<p class=soft>{_safe(note)}</p>" for note in (judged(report), facts.machine.note) if note),
        f"<p class=verdict>{_verdict(report)}</p>",
        *(part for group in groups(report) for part in _group(group, report)),
        *_skipped(report),
    ]
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>doctor</title><style>{STYLE}</style>"
    return f"{head}<body>{''.join(parts)}</body></html>\n"


def _verdict(report: Report) -> str:
    said, command = closing(report)
    return f"{_safe(said)} <code>{_safe(command)}</code>" if command else _safe(said)


def _group(group: Group, report: Report) -> Iterator[str]:
    mark = f"<span class={_class(group.worst)}>{MARKS[group.worst]}</span>"
    yield f"<h2>{mark} {_safe(group.title)} <small>{_safe(group.note)}</small></h2>"
    for entry in group.entries():
        yield _entry(entry, report)
    for data in report.facts.data:
        if group.note.startswith("data") and short(data.path, report) == group.title:
            yield _data(data)


def _entry(entry: Entry, report: Report) -> str:
    first, messages = entry.first, entry.messages()
    where = f"<p class=soft>{_safe(place(first, report))}</p>" if first.where else ""
    said, shared = [], len(entry.remedies()) == 1
    for message, findings in messages.items():
        lead = f"<b>{lines(findings)}</b>: " if len(messages) > 1 and first.where else ""
        also = lines(findings[1:]) if len(messages) == 1 else ""
        more = f" <span class=soft>(also {also})</span>" if also else ""
        said.append(f"<p>{lead}{_words(homeless(message, report))}{more}</p>")
        said += [] if shared else _remedies(findings, report)
    said += _remedies(entry.findings, report) if shared else []
    # What one command mends together says so once.
    said += [
        f"<pre>{_safe(command)}</pre>" for command in dict.fromkeys(map(report.mending, entry.findings)) if command
    ]
    title = f"<h3>{_words(first.title)} <code>{_safe(first.id)}</code></h3>"
    return f"<article class={_class(severity(first))}>{title}{where}{''.join(said)}</article>"


def _remedies(findings: Iterable[Finding], report: Report) -> list[str]:
    """Each remedy once, with what is to be pasted; the command that rewrites the file is the entry's."""
    shown = []
    for finding in findings:
        text, value = homeless(finding.remedy.text, report), homeless(finding.remedy.value or "", report)
        if f"`{value}`" in text or report.mending(finding):
            value = ""
        pasted = f"<pre>{_safe(value, lines=True)}</pre>" if value else ""
        shown.append(f"<p>→ {_words(text)}</p>{pasted}")
    return list(dict.fromkeys(shown))


def _data(data: DataFacts) -> str:
    facts = [("rows", f"{data.rows:,}"), ("layout", data.layout)]
    if data.median:
        facts += [
            ("tokens of the middle row", f"{data.median:,}"),
            ("needed to keep every answer", f"{data.longest:,}"),
        ]
    if data.limit:
        facts.append((f"limit ({data.limit_from})", f"{data.limit:,}"))
    facts += [
        (name, value) for name, value in (("ends an answer", data.end), ("comes before it", data.header)) if value
    ]
    cells = "".join(f"<tr><th>{_safe(name)}<td>{_safe(value)}" for name, value in facts)
    return f"<table>{cells}</table>{''.join(_shown(row, data) for row in data.shown)}"


def _shown(row: Shown, data: DataFacts) -> str:
    """One row, each token in the colour of its label, with a line where it is cut."""
    learnt = {token for start, end in row.learnt for token in range(start, end)}
    limit = data.limit or len(row.pieces)
    tokens = [_token(piece, n in learnt, n >= limit) for n, piece in enumerate(row.pieces)]
    if len(tokens) > limit:
        tokens.insert(limit, f"<b class=cut>{_safe(data.limit_from)} {limit:,}: what follows is cut off</b>")
    kept = count(len([token for token in learnt if token < limit]), "token")
    lost = len([token for token in learnt if token >= limit])
    said = f"{kept} learnt" + (f", {count(lost, 'token')} of answers lost" if lost else "")
    key = "<i class=l>learnt</i> <i class=p>read only</i>" + (" <i class=x>cut off</i>" if len(tokens) > limit else "")
    title = f"Row {row.number:,} as {_safe(data.reader)} reads it: {said}"
    head = f"<summary>{title} <span class=key>{key}</span></summary>"
    return f"<details open>{head}<div class=row>{''.join(tokens)}</div></details>"


def _token(piece: str, learnt: bool, cut: bool) -> str:
    name = ("x" if cut else "") + ("l" if learnt else "p")
    text = "\n".join(_safe(line) + ("↵" if n < piece.count("\n") else "") for n, line in enumerate(piece.split("\n")))
    return f"<i class={name}>{text}</i>"


def _skipped(report: Report) -> Iterator[str]:
    if report.diagnosis.skipped:
        items = "".join(f"<li>{_safe(skipped(skip, report))}" for skip in report.diagnosis.skipped)
        yield f"<h2>Not examined</h2><ul>{items}</ul>"


def _class(worst: Severity | None) -> str:
    return worst.value if worst else "well"


def _words(text: str) -> str:
    """Prose as HTML, what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _safe(text))


def _safe(text: str, lines: bool = False) -> str:
    """Text as HTML, control characters made visible."""
    return "\n".join(escape(printable(line)) for line in text.split("\n")) if lines else escape(printable(text))
