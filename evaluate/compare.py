"""Runs compared on the same samples: every later run against the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from doctor.evaluate.evaluation import Evaluation, by_sample
from doctor.evaluate.model import SPLITS, Scored
from doctor.evaluate.statistics import Difference, difference, holm
from doctor.settings import UsageError

if TYPE_CHECKING:
    from doctor.evaluate.pairwise import Judgement

LEAST = 2
"""Samples below which nothing is compared."""
TOLD = 0.05
"""The corrected p-value from which on a difference is told from chance."""


@dataclass(frozen=True)
class Compared:
    """A difference with its p-value after Holm's correction for all that was compared beside it."""

    gain: Difference
    p_holm: float

    @property
    def told(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p_holm < TOLD


@dataclass(frozen=True)
class Pair:
    """One sample in both runs: its values, and the answers behind them (of the first seed)."""

    first: Scored
    second: Scored
    values: tuple[float, float]

    @property
    def gain(self) -> float:
        """How much better the second run's answers are."""
        return self.values[1] - self.values[0]


@dataclass(frozen=True)
class TaskGain:
    """One metric of lm-evaluation-harness in both runs; the standard error takes them for independent."""

    task: str
    metric: str
    first: float
    second: float
    stderr: float | None

    @property
    def gain(self) -> float:
        """How much larger it is in the second run."""
        return self.second - self.first


@dataclass(frozen=True)
class Comparison:
    """A later run against the first one."""

    first: Evaluation
    second: Evaluation
    scorers: tuple[str, ...]
    """Those that both runs were scored by."""
    pairs: tuple[Pair, ...]
    left_out: tuple[tuple[str, str], ...]
    """The samples that are not compared, each with its reason."""
    total: Compared
    categories: dict[str, Compared]
    by_scorer: dict[str, Compared]
    splits: dict[str, Compared]
    """The questions that were trained on and those that were not, where both are known."""
    judgement: Judgement | None = None

    @property
    def tasks(self) -> list[TaskGain]:
        """The metrics of lm-evaluation-harness that both runs have of as many documents."""
        ours = {(one.task, one.metric, one.samples): one for one in self.first.tasks}
        both = [(mine, one) for one in self.second.tasks if (mine := ours.get((one.task, one.metric, one.samples)))]
        return [
            TaskGain(
                a.task, a.metric, a.value, b.value, math.hypot(a.stderr, b.stderr) if a.stderr and b.stderr else None
            )
            for a, b in both
        ]

    @property
    def prompts(self) -> str:
        """What is to be said of prompts that differ between the runs; empty where nothing is."""
        both = [(pair.first, pair.second) for pair in self.pairs]
        named = [(a.prompt, b.prompt) for a, b in both if a.prompt and b.prompt]
        counted = [(a.prompt_tokens, b.prompt_tokens) for a, b in both if a.prompt_tokens and b.prompt_tokens]
        if differ := sum(a != b for a, b in named or counted):
            how = "token ids" if named else "number of tokens"
            return (
                f"the prompts of {differ} of {len(named or counted)} samples differ in their {how}: tokenizer or chat "
                "template of the runs are not the same"
            )
        return ""


def compare(runs: Sequence[Evaluation]) -> list[Comparison]:
    """Every later run against the first; raises UsageError where two have nothing in common."""
    return _corrected([_compared(runs[0], second) for second in runs[1:]])


def _compared(first: Evaluation, second: Evaluation) -> Comparison:
    scorers = tuple(name for name in first.scorers if name in second.scorers)
    if not scorers:
        raise UsageError(
            f"{first.name} and {second.name} have no scorer in common: {', '.join(first.scorers)}; "
            f"{', '.join(second.scorers)}"
        )
    pairs, left_out = _pairs(first, second, lambda one: one.worst(scorers))
    if len(pairs) < LEAST:
        why = f"; {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise UsageError(
            f"{first.name} and {second.name} share {len(pairs)} scored samples, and a comparison needs {LEAST}{why}"
        )
    by_scorer = {name: _pairs(first, second, lambda one, name=name: one.worst([name]))[0] for name in scorers}  # type: ignore[misc]
    splits = _parts(pairs, lambda one: one.split)
    return Comparison(
        first, second, scorers, tuple(pairs), tuple(left_out), _gain(pairs),
        _gains(_parts(pairs, lambda one: one.category)),
        _gains(by_scorer),
        _gains({name: splits[name] for name in SPLITS}) if all(len(splits.get(n, ())) >= LEAST for n in SPLITS) else {},
    )  # fmt: skip


def _parts(pairs: Sequence[Pair], named: Callable[[Scored], str]) -> dict[str, list[Pair]]:
    """The pairs by a name, those without one left out."""
    names = dict.fromkeys(name for pair in pairs if (name := named(pair.first)))
    return {name: [pair for pair in pairs if named(pair.first) == name] for name in names}


def _gains(parts: Mapping[str, Sequence[Pair]]) -> dict[str, Compared]:
    return {name: _gain(part) for name, part in parts.items() if len(part) >= LEAST}


def _gain(pairs: Sequence[Pair]) -> Compared:
    weights = [pair.first.weight or 1e-9 for pair in pairs]
    gain = difference([pair.values[0] for pair in pairs], [pair.values[1] for pair in pairs], weights)
    return Compared(gain, gain.p)


def _pairs(
    first: Evaluation, second: Evaluation, value: Callable[[Scored], float | None]
) -> tuple[list[Pair], list[tuple[str, str]]]:
    """The samples that both runs have scored, and those that only one has, or that are not the same question."""
    ours, theirs = (by_sample(run.samples, value) for run in (first, second))
    here, there = ({one.id: one for one in reversed(run.samples)} for run in (first, second))
    pairs, left_out = [], []
    for name in dict.fromkeys([*ours, *theirs]):
        if name not in ours or name not in theirs:
            left_out.append((name, f"only in {(first if name in ours else second).name}"))
        elif here[name].digest != there[name].digest:
            left_out.append((name, "the sample was changed between the runs"))
        elif (a := ours[name][0]) is None or (b := theirs[name][0]) is None:
            left_out.append((name, f"not scored in {(first if ours[name][0] is None else second).name}"))
        else:
            pairs.append(Pair(here[name], there[name], (a, b)))
    return pairs, left_out


def _corrected(found: list[Comparison]) -> list[Comparison]:
    """Holm's correction: over the runs for the totals, and over runs and lines of each table."""
    totals = holm([one.total.gain.p for one in found])
    raised = {name: _raised([getattr(one, name) for one in found]) for name in ("categories", "by_scorer", "splits")}
    return [
        replace(
            one,
            total=replace(one.total, p_holm=totals[at]),
            **{name: tables[at] for name, tables in raised.items()},  # type: ignore[arg-type]
        )
        for at, one in enumerate(found)
    ]


def _raised(tables: list[dict[str, Compared]]) -> list[dict[str, Compared]]:
    raised = iter(holm([row.gain.p for table in tables for row in table.values()]))
    return [{name: replace(row, p_holm=next(raised)) for name, row in table.items()} for table in tables]


def verdict(one: Comparison) -> str:
    """What the comparison says, in a sentence."""
    gain = one.total.gain
    if one.total.told:
        return (
            f"{one.second.name} is {'better' if gain.mean > 0 else 'worse'} than {one.first.name}: "
            f"{gain.mean:+.2f} points of 10"
        )
    if not gain.mean:
        return f"No difference between {one.first.name} and {one.second.name}"
    wanted = (
        f"; about {gain.needed} samples would tell a difference of this size"
        if gain.needed and gain.needed > gain.samples
        else ""
    )
    return (
        f"No difference that could be told from chance between {one.first.name} and {one.second.name}: "
        f"{gain.mean:+.2f} points of 10{wanted}"
    )
