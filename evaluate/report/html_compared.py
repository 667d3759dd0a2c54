"""A comparison as one HTML file: gains with intervals, and every sample's two answers side by side, word by word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from doctor.evaluate.compare import Compared, Comparison, Pair, TaskGain, verdict
from doctor.evaluate.model import BEST
from doctor.evaluate.pairwise import opinion, preference
from doctor.evaluate.report.compared import numbers
from doctor.evaluate.report.html import card, cells, filters, page, scores, text, titled


def render(found: Sequence[Comparison], version: str) -> str:
    """The whole page."""
    parts: list[str] = []
    for one in found:
        parts += [
            f"<h1>{text(verdict(one))}</h1>",
            _counts(one),
            _table("category", one.categories, one.total),
            "<br>",
            _table("scorer", one.by_scorer, None),
        ]
        parts += ["<br>", _table("questions", one.splits, None)] if one.splits else []
        parts += ["<br>", _tasks(one.tasks)] if one.tasks else []
        parts += [f"<p>{text(note[0].upper() + note[1:])}.</p>" for note in (preference(one), one.prompts) if note]
        parts += [_left_out(one), "<h2>Answers, what lost most first</h2>", filters(_kinds(one), 0)]
        parts += [_pair(one, pair) for pair in sorted(one.pairs, key=lambda pair: pair.gain)]
    return page(" and ".join([found[0].first.name, *(one.second.name for one in found)]), parts, version)


def _counts(one: Comparison) -> str:
    gain = one.total.gain
    told = f"{gain.samples} samples in both: {gain.better} better, {gain.worse} worse, {gain.same} the same"
    return f'<p class="dim">{told}</p>'


def _kinds(one: Comparison) -> dict[str, int]:
    found = {"worse": one.total.gain.worse, "better": one.total.gain.better}
    faults = [name for pair in one.pairs for name in pair.second.faults]
    return {
        name: number
        for name, number in {**found, **{name: faults.count(name) for name in dict.fromkeys(faults)}}.items()
        if number
    }


def _left_out(one: Comparison) -> str:
    rows = ", ".join(f"{text(name)} ({text(why)})" for name, why in one.left_out)
    return f'<p class="dim">Not compared: {rows}</p>' if rows else ""


def _table(head: str, rows: dict[str, Compared], total: Compared | None) -> str:
    body = [_row(name, row) for name, row in rows.items()] + ([_row("total", total, ' class="total"')] if total else [])
    names = ("gain", "95 % interval", "", "p", "p (Holm)", "effect", "samples", "needed")
    return titled(head, names, body)


def _row(name: str, row: Compared, attributes: str = "") -> str:
    gain = row.gain
    effect, wanted = (f"{gain.effect:.2f}" if gain.effect is not None else "–"), str(gain.needed or "–")
    sizes = [f"{gain.mean:+.2f}", f"{gain.low:+.2f} to {gain.high:+.2f}", _bar(row)]
    chances = [f"{gain.p:.4f}", f"{row.p_holm:.4f}", effect, str(gain.samples), wanted]
    return f"<tr{attributes}><td>{text(name)}</td>{cells([*sizes, *chances])}</tr>"


def _bar(row: Compared) -> str:
    """The gain from the middle to its side, with its interval."""
    at = {name: 50 + 50 * getattr(row.gain, name) / BEST for name in ("low", "mean", "high")}
    colour = "fair" if not row.told else "" if row.gain.mean > 0 else "bad"
    left, width = min(50.0, at["mean"]), abs(at["mean"] - 50)
    return (
        f'<div class="bar middle {colour}"><i style="left:{left:.1f}%;width:{width:.1f}%"></i>'
        f'<b style="left:{at["low"]:.1f}%;width:{at["high"] - at["low"]:.1f}%"></b><u></u></div>'
    )


def _tasks(found: Sequence[TaskGain]) -> str:
    rows = [f"<tr><td>{text(t.task)}</td>{cells([text(t.metric), *numbers(t, '–')])}</tr>" for t in found]
    return titled("lm_eval task", ["metric", "first", "second", "gain", "stderr"], rows)


def _pair(one: Comparison, pair: Pair) -> str:
    kind = "bad" if pair.gain < 0 else "none" if pair.gain == 0 else ""
    names = " ".join([*pair.second.faults, *(["worse"] if pair.gain < 0 else ["better"] if pair.gain > 0 else [])])
    left, right = words(pair.first.answer or "", pair.second.answer or "")
    columns = "".join(
        f"<div><span class=dim>{text(run.name)} · {value:.1f}</span><p>{shown}</p>{scores(scored)}</div>"
        for run, value, shown, scored in (
            (one.first, pair.values[0], left, pair.first),
            (one.second, pair.values[1], right, pair.second),
        )
    )
    judge = "".join(f"<li>{text(note)}</li>" for note in opinion(one, pair.first.id))
    content = f'<div class="two">{columns}</div>' + (f"<ul>{judge}</ul>" if judge else "")
    return card(kind, names, pair.first, f" · {pair.gain:+.1f}", content)


def words(first: str, second: str) -> tuple[str, str]:
    """Two answers with the words that only one has marked."""
    ours, theirs = (re.findall(r"\s+|[^\s]+", answer) for answer in (first, second))
    left, right = [], []
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        before, after = text("".join(ours[a:b])), text("".join(theirs[c:d]))
        left.append(before if kind == "equal" or not before else f"<del>{before}</del>")
        right.append(after if kind == "equal" or not after else f"<ins>{after}</ins>")
    return "".join(left), "".join(right)
