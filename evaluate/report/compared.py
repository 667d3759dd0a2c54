"""A comparison for people, in a terminal, and as JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from doctor.evaluate.compare import Compared, Comparison, Pair, TaskGain, verdict
from doctor.evaluate.pairwise import FIRST, PLACE, SAME, SECOND, UNCLEAR, opinion, preference
from doctor.evaluate.report.markdown import cell, table
from doctor.evaluate.report.text import WIDEST, Line, Page
from doctor.report.wording import count, printable

SHOWN = 5
"""How many of the samples that lost most are shown; all with -v."""


def lines(found: Sequence[Comparison], width: int = 80, unicode: bool = True, verbose: bool = False) -> Iterator[Line]:
    """The comparisons one below the other."""
    for number, one in enumerate(found):
        yield from ([[]] if number else [])
        yield from _one(one, Page(min(width, WIDEST), unicode), verbose)


def _one(one: Comparison, page: Page, verbose: bool) -> Iterator[Line]:
    colour = "bold" if not one.total.told else "bold green" if one.total.gain.mean > 0 else "bold red"
    yield from page.prose(f"{printable(verdict(one))}.", 0, colour)
    gain = one.total.gain
    told = f"{count(gain.samples, 'sample')} in both: {gain.better} better, {gain.worse} worse, {gain.same} the same"
    yield [(f"A is {printable(one.first.name)}, B is {printable(one.second.name)}; {told}", "")]
    yield []
    yield from _table(page, "category", one.categories, one.total)
    yield []
    yield from _table(page, "scorer", one.by_scorer, None)
    if one.splits:
        yield []
        yield from _table(page, "questions", one.splits, None)
    yield from _tasks(page, one.tasks)
    for note in filter(None, (preference(one), one.prompts)):
        yield []
        yield from page.prose(f"{printable(note[0].upper() + note[1:])}.", 0, "")
    lost = sorted((pair for pair in one.pairs if pair.gain < 0), key=lambda pair: pair.gain)
    if lost:
        yield from ([], [("Where it lost most", "bold")])
    for pair in lost if verbose else lost[:SHOWN]:
        yield from _pair(page, one, pair)
    if one.left_out:
        yield from ([], [(f"Not compared: {count(len(one.left_out), 'sample')}", "bold")])
        for name, why in one.left_out if verbose else one.left_out[:SHOWN]:
            yield [(f"  {printable(name)}: {printable(why)}", "dim")]


def _tasks(page: Page, found: Sequence[TaskGain]) -> Iterator[Line]:
    if not found:
        return
    names = [f"{printable(one.task)} {printable(one.metric)}" for one in found]
    room = max(len("lm_eval task"), *map(len, names))
    yield from ([], [(f"{'lm_eval task':{room}}       A       B     gain  stderr", "dim")])
    for name, one in zip(names, found, strict=True):
        error = f"{one.stderr:6.4f}" if one.stderr is not None else f"{page.dash:>6}"
        yield [
            (f"{name:{room}}  {one.first:6.4f}  {one.second:6.4f}  ", ""),
            (f"{one.gain:+7.4f}", "bold"),
            (f"  {error}", ""),
        ]


def _table(page: Page, head: str, rows: dict[str, Compared], total: Compared | None) -> Iterator[Line]:
    named = {**rows, "total": total} if total else rows
    room = max([len(head), *(len(printable(name)) for name in named)])
    yield [(f"{head:{room}}    gain  95 % interval      p     p (Holm)  effect  needed", "dim")]
    for name, row in named.items():
        if row is None:
            continue
        gain = row.gain
        colour = ("green" if gain.mean > 0 else "red") if row.told else ""
        between = f"{gain.low:+.2f} to {gain.high:+.2f}"
        effect = f"{gain.effect:6.2f}" if gain.effect is not None else f"{page.dash:>6}"
        wanted = f"{gain.needed:6}" if gain.needed else f"{page.dash:>6}"
        yield [
            (f"{printable(name):{room}}  ", "bold" if name == "total" else ""),
            (f"{gain.mean:+6.2f}", f"bold {colour}".strip()),
            (f"  {between:16}  {gain.p:6.4f}  {row.p_holm:6.4f}  {effect}  {wanted}", ""),
        ]


def _pair(page: Page, one: Comparison, pair: Pair) -> Iterator[Line]:
    yield [
        (f"  {page.cross} ", "bold red"),
        (printable(pair.first.id), "bold"),
        (f"  {pair.values[0]:.1f} to {pair.values[1]:.1f}", "red"),
    ]
    yield from page.prose(f"Q: {printable(pair.first.question)}", 4, "dim", most=2)
    for mark, scored in (("A", pair.first), ("B", pair.second)):
        yield from page.prose(f"{mark}: {printable(scored.answer or '')}", 4, "", most=3)
    for note in opinion(one, pair.first.id):
        yield from page.prose(printable(note), 4, "")
    for name in pair.second.faults:
        yield from page.prose(f"B {name}: {printable(pair.second.scores[name].explanation)}", 4, "red")


def to_object(found: Sequence[Comparison], version: str) -> dict[str, Any]:
    """The comparisons as plain data, schema 1."""
    return {"schema": 1, "doctor": version, "comparisons": [_object(one) for one in found]}


def render_json(found: Sequence[Comparison], version: str) -> str:
    """The comparisons as one JSON object."""
    return json.dumps(to_object(found, version), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _object(one: Comparison) -> dict[str, Any]:
    return {
        "first": one.first.name,
        "second": one.second.name,
        "verdict": verdict(one),
        "told": one.total.told,
        "scorers": list(one.scorers),
        "total": _row(one.total),
        "categories": {name: _row(row) for name, row in one.categories.items()},
        "scorers_total": {name: _row(row) for name, row in one.by_scorer.items()},
        "splits": {name: _row(row) for name, row in one.splits.items()},
        "lm_eval": [{**asdict(task), "gain": task.gain} for task in one.tasks],
        "prompts": one.prompts,
        "judge": _judgement(one),
        "samples": [
            {"id": pair.first.id, "category": pair.first.category, "first": pair.values[0], "second": pair.values[1]}
            for pair in one.pairs
        ],
        "left_out": [{"id": name, "reason": why} for name, why in one.left_out],
    }


def _judgement(one: Comparison) -> dict[str, Any] | None:
    found = one.judgement
    if found is None:
        return None
    counts = {name: found.count(name) for name in (FIRST, SECOND, SAME, PLACE, UNCLEAR)}
    samples = [{"id": name, **asdict(opinion)} for name, opinion in found.opinions.items()]
    agreement = {"agree": found.agree, "of": found.of, "kappa": found.kappa}
    return {**asdict(found.judge), **counts, "p": found.p, **agreement, "samples": samples}


def _row(row: Compared) -> dict[str, Any]:
    return {**asdict(row.gain), "samples": row.gain.samples, "p_holm": row.p_holm}


def render_markdown(found: Sequence[Comparison]) -> str:
    """The comparisons as Markdown tables."""
    parts = []
    for one in found:
        rows = [*one.categories.items(), *one.splits.items(), ("**total**", one.total)]
        parts.append(f"## {cell(one.first.name)} and {cell(one.second.name)}\n\n{cell(verdict(one))}.\n")
        parts.append(
            table(
                ["category", "gain", "95 % interval", "p", "p (Holm)", "effect", "samples", "needed"],
                [_cells(*row) for row in rows],
            )
        )
        if one.tasks:
            told = [[cell(t.task), cell(t.metric), *numbers(t, "-")] for t in one.tasks]
            parts.append(table(["lm_eval task", "metric", "first", "second", "gain", "stderr"], told))
        parts += [f"{cell(note[0].upper() + note[1:])}.\n" for note in (preference(one), one.prompts) if note]
        if one.left_out:
            parts.append(
                "Not compared: " + ", ".join(f"{cell(name)} ({cell(why)})" for name, why in one.left_out) + "\n"
            )
    return "\n".join(parts)


def _cells(name: str, row: Compared) -> list[str]:
    gain = row.gain
    effect, wanted = (f"{gain.effect:.2f}" if gain.effect is not None else "-"), str(gain.needed or "-")
    between = f"{gain.low:+.2f} to {gain.high:+.2f}"
    return [name, f"{gain.mean:+.2f}", between, f"{gain.p:.4f}", f"{row.p_holm:.4f}", effect, str(gain.samples), wanted]


def numbers(one: TaskGain, dash: str) -> list[str]:
    """A metric's values in both runs, its gain and the standard error of that."""
    error = f"{one.stderr:.4f}" if one.stderr is not None else dash
    return [f"{one.first:.4f}", f"{one.second:.4f}", f"{one.gain:+.4f}", error]
