"""The scorers find the faults of the labelled answers, and no others."""

from __future__ import annotations

from types import ModuleType

import pytest

from doctor.evaluate.scorers import DEFAULT


@pytest.mark.parametrize("part", ["tuned", "held_out"])
@pytest.mark.parametrize("scorer", DEFAULT)
def test_precision_and_recall(scorer: str, part: str, labels: ModuleType) -> None:
    verdict = labels.verdict(scorer, part)
    assert verdict.precision >= 0.95, verdict.false
    assert verdict.recall >= 0.95, verdict.missed


def test_the_labels_are_many_and_hold_near_misses(labels: ModuleType) -> None:
    answers = [one for part in labels.PARTS for one in labels.labelled(part)]
    assert len(answers) >= 300
    assert sum(bool(one.near) for one in answers) >= 20
    for scorer in DEFAULT:
        assert sum(scorer in one.faults for one in answers) >= 10, scorer
