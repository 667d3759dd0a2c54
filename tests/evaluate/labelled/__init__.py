"""Answers of our own making with the faults they have: what every scorer's precision and recall are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from doctor.evaluate.model import Sample
from doctor.evaluate.reading import row, yaml
from doctor.evaluate.samples import sample
from doctor.evaluate.scorers import DEFAULT, load

FOLDER = Path(__file__).parent
PARTS = ("tuned", "held_out")


@dataclass(frozen=True)
class Labelled:
    """One answer, the scorers that must find a fault in it, and why it is a near miss where it is one."""

    sample: Sample
    text: str
    finish: str
    faults: frozenset[str]
    near: str


@dataclass(frozen=True)
class Verdict:
    """One scorer against one part of the labels."""

    scorer: str
    part: str
    found: int
    """Faults found that are there."""
    missed: tuple[str, ...]
    false: tuple[str, ...]

    @property
    def precision(self) -> float:
        """The share of its findings that are right."""
        return self.found / max(1, self.found + len(self.false))

    @property
    def recall(self) -> float:
        """The share of the faults that it finds."""
        return self.found / max(1, self.found + len(self.missed))


def labelled(part: str) -> Iterator[Labelled]:
    """The answers of one part."""
    for number, values in enumerate(yaml(FOLDER / f"{part}.yaml", "the labels"), 1):
        answers = values.pop("answers")
        asked = sample(row(values, f"{part}.yaml: row {number}"))
        for answer in answers:
            [(label, text)] = [(key, value) for key, value in answer.items() if key not in ("finish", "near")]
            faults = frozenset() if label == "good" else frozenset(label.split("+"))
            assert faults <= set(DEFAULT), label
            yield Labelled(asked, text, answer.get("finish", ""), faults, answer.get("near", ""))


def verdict(scorer: str, part: str) -> Verdict:
    """How a scorer does on one part."""
    score, found, missed, false = load(scorer), 0, [], []
    for one in labelled(part):
        got = score(one.sample, one.text, one.finish)
        if got.failed and scorer in one.faults:
            found += 1
        elif got.failed or scorer in one.faults:
            (false if got.failed else missed).append(f"{one.sample.id}: {one.text!r}: {got.explanation}")
    return Verdict(scorer, part, found, tuple(missed), tuple(false))
