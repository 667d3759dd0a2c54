"""Means, intervals and tests: against what is known, and on drawn scores."""

from __future__ import annotations

import itertools
from types import ModuleType

import pytest

from doctor.evaluate import statistics
from doctor.evaluate.statistics import chance, difference, holm, interval, summary


def test_an_unscored_sample_is_counted_and_in_no_mean() -> None:
    found = summary([10, None, 4], [1, 1, 1])
    assert (found.mean, found.scored, found.unscored) == (7, 2, 1)
    assert found.stderr == pytest.approx(3)
    assert summary([None], [1]) == statistics.Summary(None, None, None, None, 0, 1)


def test_weights_weigh() -> None:
    assert summary([10, 0], [3, 1]).mean == 7.5
    assert summary([10, 0, 5], [1, 1, 0]).scored == 2


@pytest.mark.parametrize("values", [[10.0], [0, 10], [10, 10, 10], [1, 2, 4], [10] * 30 + [0], [0.0] * 12])
def test_an_interval_holds_its_mean_and_stays_in_bounds(values: list[float]) -> None:
    low, high = interval(tuple(values), (1.0,) * len(values), 0, 10)
    assert 0 <= low <= sum(values) / len(values) <= high <= 10
    assert high > low


def test_what_never_fails_is_not_taken_for_perfect() -> None:
    low, high = interval((10.0,) * 30, (1.0,) * 30, 0, 10)
    # Clopper and Pearson's lower bound for 30 of 30.
    assert (low, high) == (pytest.approx(8.843, abs=1e-3), 10)


def test_a_few_differences_are_tested_exactly() -> None:
    gains = [1.0, 2.0, 0.5, 3.0, -0.25]
    totals = [
        abs(sum(sign * gain for sign, gain in zip(signs, gains, strict=True)))
        for signs in itertools.product((1, -1), repeat=5)
    ]
    expected = sum(total >= abs(sum(gains)) for total in totals) / len(totals)
    assert chance(gains, [1] * 5) == pytest.approx(expected)
    assert chance([0, 0], [1, 1]) == 1


def test_the_same_scores_give_the_same_figures() -> None:
    first, second = [float(n % 7) for n in range(40)], [float(n % 5) for n in range(40)]
    assert difference(first, second, [1] * 40) == difference(first, second, [1] * 40)


def test_a_difference_says_how_large_and_how_many_it_would_take() -> None:
    found = difference([5.0] * 20, [6.0, 5.0] * 10, [1] * 20)
    assert (found.mean, found.better, found.worse, found.same) == (0.5, 10, 0, 10)
    assert found.effect == pytest.approx(0.5 / 0.513, abs=1e-3)
    assert found.needed == 9  # (1.96 + 0.84)^2 / 0.975^2
    assert difference([5.0] * 3, [5.0] * 3, [1] * 3).needed is None


def test_holm_raises_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == [0.03, 0.06, 0.06]
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_on_drawn_scores(simulation: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 499)
    assert 0.90 <= simulation.coverage("mixed", 40, 150).share <= 0.99
    assert simulation.paired(30, 0, 150) <= 0.11
    assert simulation.paired(30, 1.0, 60) > simulation.unpaired(30, 1.0, 60) + 0.2
