"""One process of a distributed launch, and several of them in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rank:
    """One process of a distributed launch, as rank 0 heard of it."""

    rank: int
    host: str = ""
    node: int = 0
    """Which of the machines, from 0."""
    traits: Mapping[str, str] = field(default_factory=dict)
    """What must be the same on all of them, by name: doctor/ranks/traits.py lists them."""
    silent: str = ""
    """Why nothing is known of it."""


def spoken(numbers: Sequence[int], hosts: Mapping[int, str]) -> str:
    """Ranks in words, by host.

    >>> spoken([0, 1, 2, 4, 8], {0: "a", 1: "a", 2: "a", 4: "a", 8: "b"})
    'a (ranks 0 to 2, 4), b (rank 8)'
    """
    by_host: dict[str, list[int]] = {}
    for number in sorted(numbers):
        by_host.setdefault(hosts.get(number) or "a host unknown", []).append(number)
    parts = [f"{host} (rank{'s' * (len(own) > 1)} {_ranges(own)})" for host, own in by_host.items()]
    return ", ".join(parts if len(parts) <= 8 else [*parts[:7], f"{len(parts) - 7} more hosts"])


def _ranges(numbers: Sequence[int]) -> str:
    """`0 to 2, 4` of ascending numbers."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
