"""The report for people, in a terminal: a table by category, what is wrong with which answer, what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from doctor.evaluate.advice import Advice
from doctor.evaluate.evaluation import Evaluation
from doctor.evaluate.judge import agreement
from doctor.evaluate.model import BEST, FAILED, Scored, TaskScore
from doctor.evaluate.report.made import how
from doctor.evaluate.statistics import Summary
from doctor.report.wording import count, printable

Piece = tuple[str, str]
Line = list[Piece]
WIDEST = 100
BAR = 20
"""Characters of the bar that stands for 10."""
SHOWN = 10
"""How many faulty answers are shown, the worst first; all with -v."""


def render(
    run: Evaluation, advice: Sequence[Advice], width: int = 80, unicode: bool = True, verbose: bool = False
) -> str:
    """The report without colour."""
    return "".join(
        f"{''.join(words for words, _ in line).rstrip()}\n" for line in lines(run, advice, width, unicode, verbose)
    )


def lines(
    run: Evaluation, advice: Sequence[Advice], width: int = 80, unicode: bool = True, verbose: bool = False
) -> Iterator[Line]:
    """The report as lines of words with their styles."""
    page = Page(min(width, WIDEST), unicode)
    asked = len({one.id for one in run.samples})
    told = (
        f"  {count(asked, 'sample')}, {count(len(run.samples), 'answer')}"
        if len(run.samples) != asked
        else f"  {count(asked, 'sample')}"
    )
    yield [(printable(run.name), "bold"), (told, ""), (f", scored by {', '.join(run.scorers)}", "dim")]
    yield from page.made(run)
    yield []
    yield from page.table("category", {name: part.summary() for name, part in run.categories().items()}, run.summary())
    yield []
    yield from page.table("scorer", run.by_scorer(), None)
    yield from page.agreement(run)
    if splits := run.splits():
        yield []
        yield from page.table("questions", splits, None)
    yield from page.tasks(run.tasks)
    yield from page.faults(run, verbose)
    yield from page.unscored(run, verbose)
    yield from page.advice(advice)


class Page:
    """Widths and signs of one terminal."""

    def __init__(self, width: int, unicode: bool) -> None:
        self.width, self.unicode = width, unicode
        self.cross, self.arrow, self.dash = ("✗", "→", "–") if unicode else ("x", ">", "-")

    def made(self, run: Evaluation) -> Iterator[Line]:
        """How the answers were made."""
        if told := how(run):
            yield from self.prose(printable(told), 0, "dim")

    def tasks(self, found: Sequence[TaskScore]) -> Iterator[Line]:
        """The metrics of lm-evaluation-harness, each with its standard error."""
        if not found:
            return
        room, wide = (
            max(map(len, (head, *names)))
            for head, names in (
                ("lm_eval task", [printable(one.task) for one in found]),
                ("metric", [printable(one.metric) for one in found]),
            )
        )
        yield from ([], [(f"{'lm_eval task':{room}}  {'metric':{wide}}  value    stderr  documents", "dim")])
        for one in found:
            error = f"{one.stderr:8.4f}" if one.stderr is not None else f"{self.dash:>8}"
            yield [
                (f"{printable(one.task):{room}}  {printable(one.metric):{wide}}  ", ""),
                (f"{one.value:.4f}", "bold"),
                (f"  {error}  {one.samples if one.samples is not None else self.dash:>9}", ""),
            ]

    def table(self, head: str, rows: dict[str, Summary], total: Summary | None) -> Iterator[Line]:
        """One line a row: its mean, its interval as numbers and as a bar, and how many were scored."""
        names = [printable(name) for name in rows]
        room = min(max([len(head), 5, *map(len, names)]), self.width - 58)
        yield [(f"{head:{room}}  score  95 % interval  {'':{BAR}}  scored", "dim")]
        for name, row in zip(names, rows.values(), strict=True):
            yield self.row(name, row, room)
        if total:
            yield self.row("total", total, room, "bold")

    def row(self, name: str, row: Summary, room: int, style: str = "") -> Line:
        """One mean."""
        shown = f"{name if len(name) <= room else name[: room - 1] + '.':{room}}"
        left = f"  ({row.unscored} unscored)" if row.unscored else ""
        if row.mean is None or row.low is None or row.high is None:
            return [(f"{shown}  {self.dash:>5}  {'':{14 + BAR}}    {row.scored:>6}", style or "dim"), (left, "dim")]
        colour = "green" if row.mean >= 8 else "yellow" if row.mean >= FAILED else "red"
        between = f"{row.low:.1f} to {row.high:.1f}"
        return [
            (f"{shown}  ", style), (f"{row.mean:5.1f}", f"bold {colour}"), (f"  {between:14} ", ""),
            *self.bar(row, colour), (f"  {row.scored:>6}", ""), (left, "dim"),
        ]  # fmt: skip

    def bar(self, row: Summary, colour: str) -> Line:
        """The mean as a bar, its interval as a thinner one."""
        full, thin, empty = ("█", "─", " ") if self.unicode else ("#", "-", " ")
        low, mean, high = (round(BAR * (value or 0.0) / BEST) for value in (row.low, row.mean, row.high))
        solid = min(low, mean)
        return [
            (full * solid, colour),
            (("▒" if self.unicode else "=") * (mean - solid), colour),
            (thin * (high - mean), "dim"),
            (empty * (BAR - max(high, mean)) + " ", ""),
        ]

    def agreement(self, run: Evaluation) -> Iterator[Line]:
        """How far the judge sees what the rules see."""
        same, of, kappa = agreement(run)
        if of:
            chance = f", kappa {round(kappa, 2) + 0.0:.2f}" if kappa is not None else ""
            yield [(f"judge and rules agree on {same} of {count(of, 'answer')}{chance}", "dim")]

    def faults(self, run: Evaluation, verbose: bool) -> Iterator[Line]:
        """The faulty answers, the worst first."""
        faulty = sorted((one for one in run.samples if one.faults), key=lambda one: one.value or 0.0)
        if not faulty:
            yield from ([], [("No fault found.", "bold green")])
            return
        kinds = ", ".join(f"{name} {number}" for name, number in run.faults().items())
        answered = sum(one.answer is not None for one in run.samples)
        yield from ([], [(f"Faults in {len(faulty)} of {count(answered, 'answer')}", "bold"), (f"  {kinds}", "dim")])
        shown = faulty if verbose else faulty[:SHOWN]
        for one in shown:
            yield from self.fault(one)
        if len(shown) < len(faulty):
            yield [(f"  and {len(faulty) - len(shown)} more: -v, or --format html", "dim")]

    def fault(self, one: Scored) -> Iterator[Line]:
        """One answer and what is wrong with it."""
        seed = f" seed {one.seed}" if one.seed else ""
        yield [
            (f"  {self.cross} ", "bold red"),
            (printable(one.id), "bold"),
            (f"{seed}  {printable(one.category)}", "dim"),
        ]
        yield from self.prose(f"Q: {printable(one.question)}", 4, "dim", most=2)
        yield from self.prose(f"A: {printable(one.answer or '')}", 4, "", most=3)
        for name in one.faults:
            score = one.scores[name]
            yield from self.prose(f"{name} {score.value:.1f}: {printable(score.explanation)}", 4, "red")

    def unscored(self, run: Evaluation, verbose: bool) -> Iterator[Line]:
        """What no mean counts, and why."""
        left = [one for one in run.samples if one.value is None]
        if not left:
            return
        yield from ([], [(f"Not scored, and in no mean: {count(len(left), 'answer')}", "bold")])
        for one in left if verbose else left[:5]:
            why = one.reason or next((score.explanation for score in one.scores.values()), "no scorer was asked")
            yield from self.prose(f"{printable(one.id)}: {printable(why)}", 2, "dim")
        if not verbose and len(left) > 5:
            yield [(f"  and {len(left) - 5} more: -v", "dim")]

    def advice(self, given: Sequence[Advice]) -> Iterator[Line]:
        """What to do, with the pages to read."""
        if given:
            yield from ([], [("What to do", "bold")])
        for one in given:
            yield from self.prose(one.text, 2, "", f"{self.arrow} ")
            yield from ([(f"    doctor explain {name}", "bold green")] for name in one.ids)

    def prose(self, text: str, indent: int, style: str, lead: str = "", most: int = 0) -> Iterator[Line]:
        """Words wrapped to the page, at most so many lines."""
        wrapped = textwrap.wrap(
            text, max(30, self.width - indent - len(lead)), break_long_words=True, break_on_hyphens=False
        )
        if most and len(wrapped) > most:
            wrapped = [
                *wrapped[: most - 1],
                f"{wrapped[most - 1][: self.width - indent - 2]} …" if self.unicode else f"{wrapped[most - 1]} ...",
            ]
        for number, words in enumerate(wrapped):
            yield [(" " * indent, ""), (lead if number == 0 else " " * len(lead), "green"), (words, style)]


def plain(content: Iterable[Line]) -> str:
    """Lines without their styles."""
    return "".join(f"{''.join(words for words, _ in line).rstrip()}\n" for line in content)
