"""The report as Markdown, for a pull request or an issue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from doctor.evaluate.advice import Advice
from doctor.evaluate.evaluation import Evaluation
from doctor.evaluate.report.made import how
from doctor.evaluate.statistics import Summary
from doctor.evaluate.words import short
from doctor.report.wording import count, printable


def render(run: Evaluation, advice: Sequence[Advice]) -> str:
    """Tables by category and by scorer, the faulty answers, what to do."""
    parts = [f"# {cell(run.name)}", f"Scored by {', '.join(run.scorers)}; from 0 to 10, an answer by its worst fault."]
    parts += [f"{cell(told[0].upper() + told[1:])}."] if (told := how(run)) else []
    rows = [*((cell(name), part.summary()) for name, part in run.categories().items()), ("**total**", run.summary())]
    head = ["mean", "stderr", "95 % interval", "scored", "unscored"]
    parts.append(table(["category", *head], [_row(*row) for row in rows]).rstrip())
    parts.append(table(["scorer", *head], [_row(*row) for row in run.by_scorer().items()]).rstrip())
    if splits := run.splits():
        parts.append(table(["questions", *head], [_row(*row) for row in splits.items()]).rstrip())
    if run.tasks:
        cells = [
            [
                cell(one.task),
                cell(one.metric),
                f"{one.value:.4f}",
                f"{one.stderr:.4f}" if one.stderr is not None else "-",
            ]
            for one in run.tasks
        ]
        parts.append(table(["lm_eval task", "metric", "value", "stderr"], cells).rstrip())
    faulty = sorted((one for one in run.samples if one.faults), key=lambda one: one.value or 0.0)
    if faulty:
        rows_of_faults = [
            [
                cell(one.id),
                name,
                f"{one.scores[name].value:.1f}",
                cell(one.scores[name].explanation),
                cell(short(one.answer or "", 160)),
            ]
            for one in faulty
            for name in one.faults
        ]
        parts.append(f"{count(len(faulty), 'faulty answer')}:")
        parts.append(table(["id", "fault", "score", "why", "answer"], rows_of_faults).rstrip())
    left = [
        f"{cell(one.id)} ({cell(one.reason or 'no scorer had anything to go by')})"
        for one in run.samples
        if one.value is None
    ]
    parts += [f"Not scored, and in no mean: {', '.join(left)}"] if left else []
    parts += (
        [
            "\n".join(
                f"- {cell(one.text)}" + "".join(f" (`doctor explain {name}`)" for name in one.ids) for one in advice
            )
        ]
        if advice
        else []
    )
    return "\n\n".join(parts) + "\n"


def _row(name: str, row: Summary) -> list[str]:
    if row.mean is None or row.low is None or row.high is None:
        return [name, "-", "-", "-", str(row.scored), str(row.unscored)]
    stderr = f"{row.stderr:.2f}" if row.stderr is not None else "-"
    return [name, f"{row.mean:.2f}", stderr, f"{row.low:.2f} to {row.high:.2f}", str(row.scored), str(row.unscored)]


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of cells that are Markdown already."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cell(text: str) -> str:
    """Text from outside, with what Markdown and HTML would take for their own made plain."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", printable(" ".join(text.split())))
