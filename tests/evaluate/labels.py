"""Every scorer's precision and recall on answers of our own making, whose faults are known.

`python tests/evaluate/labels.py` prints them with what was missed; exit 1 where a figure is below 0.95.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from doctor.evaluate.model import Sample
from doctor.evaluate.reading import row, yaml
from doctor.evaluate.samples import sample
from doctor.evaluate.scorers import DEFAULT, load

FOLDER = Path(__file__).parent / "labelled"
PARTS = ("tuned", "held_out")
WANTED = 0.95


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


def main() -> int:
    """Print the table and what was missed; 1 where a figure is below 0.95."""
    below = False
    for part in sys.argv[1:] or PARTS:
        answers = list(labelled(part))
        near = sum(bool(one.near) for one in answers)
        print(f"{part}: {len(answers)} answers, {sum(not one.faults for one in answers)} good, {near} near misses")  # noqa: T201
        for name in DEFAULT:
            one = verdict(name, part)
            below |= min(one.precision, one.recall) < WANTED
            print(f"  {name:11} precision {one.precision:.3f}  recall {one.recall:.3f}  ({one.found} faults found)")  # noqa: T201
            for kind, lines in (("missed", one.missed), ("false", one.false)):
                for line in lines:
                    print(f"    {kind}: {line}")  # noqa: T201
    return int(below)


if __name__ == "__main__":
    sys.exit(main())
