"""The statistics tried on drawn scores: do intervals cover, how often does the paired test cry wolf, what does it see?

`python tests/evaluate/simulation.py` prints the table; exit 1 where a figure is out of its bounds.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy
from scipy import stats

from doctor.evaluate import statistics
from doctor.evaluate.statistics import chance, interval

COVERAGE, FALSE_ALARMS = (0.93, 0.97), (0.04, 0.06)
POPULATIONS = {
    "mostly right": ([10, 0, 1, 2, 4, 5.6], [0.75, 0.08, 0.07, 0.05, 0.03, 0.02]),
    "mixed": ([10, 0, 1, 2, 4, 5.6, 7], [0.5, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05]),
    "even": ([number / 2 for number in range(21)], [1 / 21] * 21),
}
"""Scores and how often they come, as evaluations have them."""


@dataclass(frozen=True)
class Trials:
    """How often something happened."""

    what: str
    share: float
    bounds: tuple[float, float]

    @property
    def well(self) -> bool:
        """Whether it happened as often as it should."""
        return self.bounds[0] <= self.share <= self.bounds[1]

    def __str__(self) -> str:
        low, high = self.bounds
        return f"{'ok ' if self.well else 'OUT'}  {self.what:58} {self.share:6.1%}  ({low:.0%} to {high:.0%})"


def coverage(population: str, size: int, times: int, seed: int = 1) -> Trials:
    """How often the 95 % interval of a drawn sample holds the population's mean."""
    values, shares = POPULATIONS[population]
    draw = numpy.random.default_rng(seed)
    mean = float(numpy.dot(values, shares))
    found = (interval(tuple(draw.choice(values, size, p=shares).tolist()), (1.0,) * size, 0, 10) for _ in range(times))
    inside = sum(low <= mean <= high for low, high in found)
    return Trials(f"95 % interval, {population}, {size} samples: covers", inside / times, COVERAGE)


def runs(draw: Any, size: int, gain: float) -> tuple[Any, Any]:
    """Two runs on the same questions: how hard a question is counts for both, and the second gains so much."""
    hard = draw.normal(6, 2.5, size)
    first, second = (numpy.clip(hard + draw.normal(more, 1, size), 0, 10) for more in (0, gain))
    return first, second


def paired(size: int, gain: float, times: int, seed: int = 2) -> float:
    """How often the paired test tells two runs apart."""
    draw, told = numpy.random.default_rng(seed), 0
    for _ in range(times):
        first, second = runs(draw, size, gain)
        told += chance((second - first).tolist(), [1.0] * size) < 0.05
    return told / times


def unpaired(size: int, gain: float, times: int, seed: int = 2) -> float:
    """How often a test that does not know which answers belong together does (Welch's)."""
    draw, told = numpy.random.default_rng(seed), 0
    for _ in range(times):
        first, second = runs(draw, size, gain)
        told += stats.ttest_ind(first, second, equal_var=False).pvalue < 0.05
    return told / times


def main() -> int:
    """Print the table; 1 where something is out of its bounds."""
    statistics.RESAMPLES = 1999  # a fifth of what reports draw: as good here, and it takes a minute
    times = int(sys.argv[1]) if sys.argv[1:] else 2000
    found = [coverage(name, size, times) for name in POPULATIONS for size in (20, 50, 100)]
    found += [
        Trials(f"paired test, {size} samples, no difference: cries wolf", paired(size, 0, times), FALSE_ALARMS)
        for size in (20, 50)
    ]
    for gain in (0.5, 1.0):
        one, other = paired(40, gain, times), unpaired(40, gain, times)
        found.append(Trials(f"40 samples, a gain of {gain}: the paired test tells it", one, (other, 1.0)))
        found.append(Trials(f"40 samples, a gain of {gain}: the unpaired test tells it", other, (0.0, one)))
    for line in found:
        print(line)  # noqa: T201
    return int(not all(line.well for line in found))


if __name__ == "__main__":
    sys.exit(main())
