"""Means with their intervals, two runs compared on the same samples, and how many samples it would take.

Everything is drawn from seeded generators: the same scores give the same figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from doctor.evaluate.extras import needed
from doctor.evaluate.model import BEST

CONFIDENCE = 0.95
POWER = 0.8
RESAMPLES = 9999
FEW = 10
"""Below so many scores a bootstrap has too little to draw from."""
SEED = 20240229
CELLS = 4_000_000
"""Numbers drawn at once: 32 MB."""


@dataclass(frozen=True)
class Summary:
    """A mean with its standard error and 95 % interval; None where too few were scored to say."""

    mean: float | None
    stderr: float | None
    low: float | None
    high: float | None
    scored: int
    unscored: int


@dataclass(frozen=True)
class Difference:
    """How much better the second of two runs is, sample by sample."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided, of the sign-flip permutation test."""
    effect: float | None
    """Cohen's d of the paired differences; None where they are all the same."""
    better: int
    worse: int
    same: int
    needed: int | None
    """Samples with which this difference would be told from chance four times out of five; None where there is none."""

    @property
    def samples(self) -> int:
        """How many were compared."""
        return self.better + self.worse + self.same


def summary(values: Sequence[float | None], weights: Sequence[float]) -> Summary:
    """Mean, standard error and BCa bootstrap interval of scores from 0 to 10; those that are None are counted only."""
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None and weight > 0]
    unscored = sum(value is None for value in values)
    if not pairs:
        return Summary(None, None, None, None, 0, unscored)
    scores, of = [value for value, _ in pairs], [weight for _, weight in pairs]
    low, high = interval(tuple(scores), tuple(of), 0.0, BEST)
    return Summary(_mean(scores, of), _stderr(scores, of), low, high, len(pairs), unscored)


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / math.fsum(weights)


def _stderr(values: Sequence[float], weights: Sequence[float]) -> float | None:
    """The standard error of a weighted mean; with equal weights the usual one."""
    count, mean = len(values), _mean(values, weights)
    if count < 2:
        return None
    squares = math.fsum((w * (v - mean)) ** 2 for v, w in zip(values, weights, strict=True))
    return math.sqrt(squares * count / (count - 1)) / math.fsum(weights)


@lru_cache(256)  # the terminal, the JSON and the page ask for the same ones
def interval(values: tuple[float, ...], weights: tuple[float, ...], least: float, most: float) -> tuple[float, float]:
    """The 95 % interval of a mean of numbers that lie between two bounds.

    BCa bootstrap.  Fewer than ten hold too little to draw from: then Student's t, which is wider.  Where all are equal,
    the bounds that even the most lopsided population would keep, since so many equal draws come in 2.5 % of all cases.
    """
    if min(values) == max(values):
        room = 1 - ((1 - CONFIDENCE) / 2) ** (1 / len(values))
        return values[0] - (values[0] - least) * room, values[0] + (most - values[0]) * room
    numpy, stats = needed("numpy"), needed("scipy.stats")
    if len(values) < FEW:
        mean, stderr = _mean(values, weights), _stderr(values, weights) or 0.0
        reach = float(stats.t.ppf(1 - (1 - CONFIDENCE) / 2, len(values) - 1)) * stderr
        return max(least, mean - reach), min(most, mean + reach)

    def weighted(x: Any, w: Any, axis: int) -> Any:
        return (x * w).sum(axis) / w.sum(axis)

    equal = min(weights) == max(weights)
    found = stats.bootstrap(
        (numpy.asarray(values, float),) if equal else (numpy.asarray(values, float), numpy.asarray(weights, float)),
        numpy.mean if equal else weighted,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, CELLS // len(values)),
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=numpy.random.default_rng(SEED),
    ).confidence_interval
    return max(least, float(found.low)), min(most, float(found.high))


def difference(first: Sequence[float], second: Sequence[float], weights: Sequence[float]) -> Difference:
    """What the second run gains over the first on the same samples, at least two of them."""
    gains = [b - a for a, b in zip(first, second, strict=True)]
    mean = _mean(gains, weights)
    low, high = interval(tuple(gains), tuple(weights), -BEST, BEST)
    spread = _deviation(gains, weights)
    return Difference(
        mean,
        low,
        high,
        chance(gains, weights),
        mean / spread if spread else None,
        better=sum(gain > 0 for gain in gains),
        worse=sum(gain < 0 for gain in gains),
        same=sum(gain == 0 for gain in gains),
        needed=_needed(mean, spread),
    )


def chance(gains: Sequence[float], weights: Sequence[float]) -> float:
    """How often chance alone would bring a mean this far from zero: the signs of the gains are flipped at random.

    With few samples every pattern of signs is tried, and the answer is exact.
    """
    if sum(gain != 0 for gain in gains) < 2:
        return 1.0  # both signs of one gain are as far from zero
    numpy, stats = needed("numpy"), needed("scipy.stats")
    told = numpy.asarray([gain * weight for gain, weight in zip(gains, weights, strict=True) if gain], float)

    def mean(x: Any, axis: int) -> Any:
        return x.mean(axis)

    found = stats.permutation_test(
        (told,),
        mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, CELLS // len(told)),
        rng=numpy.random.default_rng(SEED),
    )
    return float(found.pvalue)


def _deviation(values: Sequence[float], weights: Sequence[float]) -> float:
    mean, count = _mean(values, weights), len(values)
    squares = math.fsum(w * (v - mean) ** 2 for v, w in zip(values, weights, strict=True)) / math.fsum(weights)
    return math.sqrt(squares * count / (count - 1)) if count > 1 else 0.0


def _needed(mean: float, spread: float) -> int | None:
    if not mean or not spread:
        return None
    from statistics import NormalDist

    normal = NormalDist()
    reach = normal.inv_cdf(1 - (1 - CONFIDENCE) / 2) + normal.inv_cdf(POWER)
    return max(2, math.ceil((reach * spread / mean) ** 2))


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's correction: the p-values of several comparisons, raised so that one false alarm in all stays rare.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(chances)), key=lambda at: chances[at])
    raised, least = [0.0] * len(chances), 0.0
    for rank, at in enumerate(order):
        least = max(least, min(1.0, chances[at] * (len(chances) - rank)))
        raised[at] = least
    return raised
