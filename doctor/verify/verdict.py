"""What the runs of one model say of its fix: pure, from what the children told."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import sub
from pathlib import Path
from typing import Any, Literal, NamedTuple

TOLERANCE = 1e-4
"""Largest difference of a logit, relative to the largest logit where that is above 1: releases sum in other orders."""
State = Literal["equal", "differs", "unverified"]
BATCHES = ("short", "padded", "long")
"""What is run, in this order."""


class Judged(NamedTuple):
    """State, reason, the largest difference of a logit, and what else was seen."""

    state: State
    reason: str
    difference: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """One model, loaded and run once; paths and logits stay in the scratch folder."""

    code: Literal["before", "after", "native"]
    how: Literal["loaded", "built"]
    release: str
    """Of transformers; empty where it could not be imported."""
    python: str = ""
    failed: str = ""
    """The stage and the error, empty where it ran."""
    missing: tuple[str, ...] = ()
    """Parameters that no stored weight reached: they are random."""
    logits: str = ""
    """File of 32-bit floats."""
    counts: tuple[int, ...] = ()
    """How many of them each batch has."""
    tokens: Sequence[Any] = ()
    """Of each batch, those generated."""
    silent: str = ""
    """Why it generates no tokens."""

    @cached_property
    def numbers(self) -> array[float]:
        """The logits."""
        found = array("f")
        found.frombytes(Path(self.logits).read_bytes())
        return found

    @property
    def parts(self) -> list[array[float]]:
        """The logits of each batch."""
        ends = [sum(self.counts[: place + 1]) for place in range(len(self.counts))]
        return [self.numbers[end - count : end] for end, count in zip(ends, self.counts, strict=True)]

    def __str__(self) -> str:
        names = {"before": "the file before the fix", "after": "the fixed file", "native": "transformers' own class"}
        built = ", its class called directly" if self.how == "built" else ""
        return f"{names[self.code]} on {self.release or 'this interpreter'}{built}"


@dataclass(frozen=True)
class Verdict:
    """Whether a fix keeps a model's numbers."""

    folder: str
    state: State
    reason: str
    difference: float | None = None
    """Largest difference of a logit to what it was compared with."""
    weights: str = ""
    """Which weights were used, in words."""
    notes: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()
    paths: frozenset[str] = field(default=frozenset())
    """The files of the fix."""


def judge(runs: Sequence[Run]) -> Judged:
    """The runs after the fix beside the most trustworthy one before.

    The first interpreter counts; on the others a fixed file may fail where the file before fails as well.
    """
    after = [run for run in runs if run.code == "after"]
    for run in (run for run in after if run.failed):
        before = [other for other in runs if other.code == "before" and other.python == run.python]
        if any(not other.failed for other in before):
            return Judged("differs", f"{run} fails, and the file before the fix does not: {run.failed}")
        if run is after[0]:
            notes = tuple(f"{other} fails: {other.failed}" for other in before[:1])
            return Judged("unverified", f"{run} fails: {run.failed}", notes=notes)
    after = [run for run in after if not run.failed]
    if lost := next((run for run in after if run.missing), None):
        return Judged("differs", f"{lost} leaves weights random: {', '.join(lost.missing)}")
    if garbage := next((run for run in after if not _finite(run)), None):
        return Judged("differs", f"{garbage} answers with numbers that are not finite")
    witnesses = _witnesses(runs)
    if not witnesses:
        notes = tuple(f"{run} {_unfit(run)}" for run in runs if run.code != "after" and run.how != "built")
        return Judged("unverified", "the fixed file runs, and nothing ran before to compare it with", notes=notes)
    return _compared(after, witnesses[0], runs)


def _unfit(run: Run) -> str:
    """Why a run is no witness."""
    if run.failed:
        return f"fails: {run.failed}"
    return (
        f"leaves weights random: {', '.join(run.missing)}"
        if run.missing
        else "answers with numbers that are not finite"
    )


def _witnesses(runs: Sequence[Run]) -> list[Run]:
    """The runs to compare with, the most trustworthy first.

    What transformers 4 loads is what the code computes; from 5 on a load may lose tensors without a word, which
    calling the class does not; the library's class may be another model than its author's copy.
    """

    def trust(run: Run) -> tuple[int, list[int]]:
        release = [int(part) if part.isdigit() else 0 for part in run.release.split(".")]
        if run.code == "native":
            return 2, release
        return (1 if run.how == "built" else 0 if release[0] < 5 else 3), release

    found = [run for run in runs if run.code != "after" and not run.failed and not run.missing]
    return sorted((run for run in found if _finite(run)), key=trust)


def _compared(after: Sequence[Run], witness: Run, runs: Sequence[Run]) -> Judged:
    worst, notes, border = 0.0, _notes(witness, runs), tolerance(witness.numbers)
    for run in after:
        gaps = differences(run, witness)
        worst = max(worst, *gaps)
        wrong = {name: gap for name, gap in zip(BATCHES, gaps, strict=False) if not gap <= border}
        if witness.code == "native" and wrong.keys() == {"long"}:
            reason = (
                f"short inputs give the logits of {witness}; on a long one they differ by up to {wrong['long']:.2g}"
            )
            why = "a sliding window, or a border of the RoPE scaling, that only one of the two minds"
            return Judged("unverified", f"{reason}: {why}", worst, notes)
        if wrong:
            where = f"{' and '.join(wrong)} {'inputs' if len(wrong) > 1 else 'input'}"
            reason = f"logits of {run} differ from those of {witness} by up to {worst:.2g}, on the {where}"
            return Judged("differs", reason, worst, notes)
        if run.silent and not witness.silent:
            return Judged("differs", f"{run} generates nothing: {run.silent}", worst, notes)
        if run.tokens and witness.tokens and run.tokens != witness.tokens:
            return Judged("differs", f"{run} generates other tokens than {witness}", worst, notes)
    silent = next((run.silent for run in after if run.silent), "")
    tokens = f"; it generates nothing ({silent})" if silent else "; same tokens" if witness.tokens else ""
    where = ", ".join(dict.fromkeys(run.release for run in after))
    reason = f"the fixed file on {where} gives the logits of {witness}, max |diff| {worst:.2g}{tokens}"
    return Judged("equal", reason, worst, notes)


def _notes(witness: Run, runs: Sequence[Run]) -> tuple[str, ...]:
    """What other runs did otherwise; where a file fails to load, calling its class fails the same way."""
    found: dict[tuple[str, str], str] = {}
    for run in runs:
        counts = run is witness or (run.code == "after" and not run.failed)
        said = "" if counts else _deviation(run, witness)
        if said:
            found.setdefault((run.release, said), f"{run} {said}")
    return tuple(found.values())


def _deviation(run: Run, witness: Run) -> str:
    """How a run differs from the one that counts, empty where it does not."""
    if run.failed or run.missing:
        return _unfit(run)
    difference = max(differences(run, witness))
    if not difference <= tolerance(witness.numbers):
        other = "is another model" if run.code == "native" else "is wrong without an error"
        return f"{other}: logits differ by up to {difference:.2g}"
    if run.silent and not witness.silent:
        return f"generates nothing: {run.silent}"
    return "generates other tokens" if run.tokens and witness.tokens and run.tokens != witness.tokens else ""


def differences(run: Run, other: Run) -> list[float]:
    """The largest difference of a logit, of each batch."""
    if run.counts != other.counts:
        return [math.inf] * len(BATCHES)
    return [largest_difference(mine, theirs) for mine, theirs in zip(run.parts, other.parts, strict=True)]


def largest_difference(found: array[float], expected: array[float]) -> float:
    """The largest absolute difference; infinite where lengths differ or a number is none."""
    if len(found) != len(expected):
        return math.inf
    worst = max(map(abs, map(sub, found, expected)), default=0.0)
    return worst if math.isfinite(sum(found)) else math.inf


def tolerance(expected: array[float]) -> float:
    """What releases may differ by, for logits of that size."""
    return TOLERANCE * max(1.0, max(map(abs, expected), default=0.0))


def _finite(run: Run) -> bool:
    return math.isfinite(sum(run.numbers))
