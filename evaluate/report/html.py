"""The report as one HTML file that needs nothing else: bars with intervals, every answer with its evidence marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files

from doctor.evaluate.advice import Advice
from doctor.evaluate.evaluation import Evaluation
from doctor.evaluate.model import BEST, FAILED, Score, Scored
from doctor.evaluate.report.made import how
from doctor.evaluate.statistics import Summary
from doctor.report.wording import count, printable

GOOD = 8.0
SCRIPT = """
document.querySelectorAll('.filters button').forEach(button => button.addEventListener('click', () => {
  document.querySelectorAll('.filters button').forEach(other => {
    other.setAttribute('aria-pressed', String(other === button));
  });
  const wanted = button.dataset.only;
  document.querySelectorAll('.sample').forEach(sample => {
    sample.hidden = wanted !== '' && !sample.dataset.faults.split(' ').includes(wanted);
  });
}));
"""


def render(run: Evaluation, advice: Sequence[Advice], version: str) -> str:
    """The whole page."""
    total = run.summary()
    parts = [
        f"<h1>{text(run.name)}</h1>",
        f'<p class="dim">{count(len(run.samples), "answer")}, scored by {text(", ".join(run.scorers))}; '
        "an answer counts by its worst fault</p>",
        *([f'<p class="dim">{text(told[0].upper() + told[1:])}</p>'] if (told := how(run)) else []),
        "<h2>By category</h2>",
        _table("category", {name: part.summary() for name, part in run.categories().items()}, total),
        "<h2>By scorer</h2>",
        _table("scorer", run.by_scorer(), None),
    ]
    if splits := run.splits():
        parts += ["<h2>Trained on, and held out</h2>", _table("questions", splits, None)]
    parts += _tasks(run)
    parts += _advice(advice)
    parts += ["<h2>Answers</h2>", filters(run.faults(), sum(one.value is None for one in run.samples))]
    parts += [_sample(one) for one in sorted(run.samples, key=lambda one: (one.value is None, one.value or 0.0))]
    return page(run.name, parts, version)


def page(title: str, parts: Iterable[str], version: str) -> str:
    """A page around its parts; nothing is loaded from anywhere."""
    style = (files("doctor.evaluate.report") / "page.css").read_text("utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{text(title)}</title><style>\n{style}</style>"
    )
    foot = f'<p class="dim">doctor {escape(version)}</p>'
    body = "\n".join([*parts, foot, f"<script>{SCRIPT}</script>"])
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def text(words: str) -> str:
    """Text from outside, as HTML shows it: line breaks stay, other control characters are made visible."""
    return "\n".join(escape(printable(line)) for line in words.split("\n"))


def _table(head: str, rows: dict[str, Summary], total: Summary | None) -> str:
    body = [_row(name, row) for name, row in rows.items()]
    body += [_row("total", total, ' class="total"')] if total else []
    return titled(head, ["mean", "95 % interval", "", "scored", "unscored"], body)


def titled(first: str, others: Iterable[str], rows: Iterable[str]) -> str:
    """A table with its titles; all but the first are over numbers."""
    titles = f"<th>{first}</th>" + "".join(f'<th class="number">{name}</th>' for name in others)
    return "\n".join([f"<table><tr>{titles}</tr>", *rows, "</table>"])


def cells(values: Iterable[str]) -> str:
    """Cells of numbers."""
    return "".join(f'<td class="number">{value}</td>' for value in values)


def _row(name: str, row: Summary, attributes: str = "") -> str:
    if row.mean is None or row.low is None or row.high is None:
        shown = ["–", "–", ""]
    else:
        shown = [f"{row.mean:.1f}", f"{row.low:.1f} to {row.high:.1f}", _bar(row.low, row.mean, row.high)]
    counts = [str(row.scored), str(row.unscored)]
    return f"<tr{attributes}><td>{text(name)}</td>{cells([*shown, *counts])}</tr>"


def _bar(low: float, mean: float, high: float) -> str:
    colour = "" if mean >= GOOD else " fair" if mean >= FAILED else " bad"
    part = 100 / BEST
    between = f"left:{low * part:.1f}%;width:{(high - low) * part:.1f}%"
    return f'<div class="bar{colour}"><i style="width:{mean * part:.1f}%"></i><b style="{between}"></b></div>'


def _tasks(run: Evaluation) -> Iterator[str]:
    if not run.tasks:
        return
    rows = [
        f"<tr><td>{text(one.task)}</td>"
        + cells(
            [
                text(one.metric),
                f"{one.value:.4f}",
                f"{one.stderr:.4f}" if one.stderr is not None else "–",
                str(one.samples) if one.samples is not None else "–",
            ]
        )
        + "</tr>"
        for one in run.tasks
    ]
    yield f"<h2>lm-evaluation-harness</h2>{titled('task', ['metric', 'value', 'stderr', 'documents'], rows)}"


def _advice(advice: Sequence[Advice]) -> Iterator[str]:
    if advice:
        items = "".join(
            f"<li>{text(one.text)}{''.join(f' <code>doctor explain {escape(name)}</code>' for name in one.ids)}</li>"
            for one in advice
        )
        yield f"<h2>What to do</h2><ul>{items}</ul>"


def filters(faults: dict[str, int], unscored: int) -> str:
    """The buttons that show only what fails in one way."""
    named = [("", "all"), *((name, f"{name} {number}") for name, number in faults.items())]
    named += [("unscored", f"unscored {unscored}")] if unscored else []
    buttons = "".join(
        f'<button data-only="{escape(name)}" aria-pressed="{str(not name).lower()}">{text(shown)}</button>'
        for name, shown in named
    )
    return f'<div class="filters">{buttons}</div>'


def _sample(one: Scored) -> str:
    kind = "none" if one.value is None else "bad" if one.faults else ""
    value = "–" if one.value is None else f"{one.value:.1f}"
    seed = f" · seed {one.seed}" if one.seed else ""
    reference = f'<p class="dim">reference: {text(one.reference)}</p>' if one.reference else ""
    answer = (
        f"<p>{marked(one.answer, one.scores.values())}</p>"
        if one.answer is not None
        else f'<p class="dim">{text(one.reason)}</p>'
    )
    names = " ".join(one.faults) or ("unscored" if one.value is None else "")
    return card(kind, names, one, f"{seed} · {value}", f"{answer}{reference}{scores(one)}")


def card(kind: str, names: str, one: Scored, note: str, content: str) -> str:
    """The frame around one sample: what the filters know it by, its title and its question."""
    title = f'<h3>{text(one.id)} <span class="dim">{text(one.category)}{note}</span></h3>'
    question = f'<p class="dim">{text(one.question)}</p>'
    return f'<div class="sample {kind}" data-faults="{escape(names)}">{title}{question}{content}</div>'


def scores(one: Scored) -> str:
    """What every scorer says of an answer."""
    rows = [
        f"<li{' class=fault' if name in one.faults else ''}>{text(name)} "
        f"{'–' if score.value is None else f'{score.value:.1f}'}: {text(score.explanation)}</li>"
        for name, score in sorted(one.scores.items(), key=lambda pair: pair[0] not in one.faults)
    ]
    return f"<ul>{''.join(rows)}</ul>" if rows else ""


def marked(answer: str, given: Iterable[Score]) -> str:
    """An answer with the evidence of its faults marked."""
    inside = [False] * len(answer)
    for start, end in (span for score in given if score.failed for span in score.evidence):
        inside[start:end] = [True] * (min(end, len(answer)) - start)
    parts, at = [], 0
    while at < len(answer):
        end = next((n for n in range(at, len(answer)) if inside[n] != inside[at]), len(answer))
        parts.append(f"<mark>{text(answer[at:end])}</mark>" if inside[at] else text(answer[at:end]))
        at = end
    return "".join(parts)
