"""Which rows are computed when: fixed by the seed, the same on every release, whatever was interrupted.

An epoch is a whole number of updates.  Where rows are left over, its last update has fewer rows and is filled with
empty batches, so that no release drops it (4.47 would) and none repeats a row.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

from doctor.trainer.config import Config
from doctor.trainer.sharing import alike
from doctor.trainer.store import Store

Line = tuple[int, ...]
"""Rows that are computed as one: one row, or several that are packed."""
POOL = 10_000
"""Rows that are packed at a time."""
NEIGHBOURS = 50
"""Batches whose rows are sorted by length."""


@dataclass(frozen=True)
class Micro:
    """What one process computes at once."""

    lines: tuple[Line, ...]
    learnt: int
    """Tokens learnt in the whole update, by all processes."""
    tokens: int
    """Tokens that all processes read in this step."""


class Plan:
    """The batches of a run, for the process `rank` of `world`: a batch sampler of lists of one Micro."""

    def __init__(self, config: Config, store: Store, rows: Sequence[int], rank: int = 0, world: int = 1) -> None:
        self.config, self.store, self.rank, self.world = config, store, rank, world
        self.lines: Sequence[Line] = packed(config, store, rows) if config.packing else Lines(rows)
        batches = -(-len(self.lines) // config.batch)
        self.updates_an_epoch = -(-batches // (config.accumulate * world))
        self.updates = config.max_steps or config.epochs * self.updates_an_epoch

    def __len__(self) -> int:
        return self.updates * self.config.accumulate

    def __iter__(self) -> Iterator[list[Micro]]:
        windows = (window for epoch in count() for window in self._epoch(epoch))
        for window in islice(windows, self.updates):
            learnt = sum(self.store.learnt[row] for batch in window for line in batch for row in line)
            for place in range(0, len(window), self.world):
                beside = window[place : place + self.world]
                tokens = sum(self.store.length(row) for batch in beside for line in batch for row in line)
                yield [Micro(tuple(beside[self.rank]), learnt, tokens)]

    def _epoch(self, epoch: int) -> Iterator[list[list[Line]]]:
        """The updates of an epoch: batches in the order of steps and, in a step, of processes."""
        batches = self._batches(random.Random(f"{self.config.seed}:{epoch}"))
        size = self.config.accumulate * self.world
        for place in range(0, len(batches), size):
            window = batches[place : place + size]
            yield window + [[] for _ in range(size - len(window))]

    def _batches(self, draw: random.Random) -> list[list[Line]]:
        order = list(range(len(self.lines)))
        draw.shuffle(order)
        size = self.config.batch
        if self.config.group_by_length:
            near = size * NEIGHBOURS
            pools = [order[place : place + near] for place in range(0, len(order), near)]
            order = [n for pool in pools for n in sorted(pool, key=lambda one: -self._length(one))]
        batches = [[self.lines[n] for n in order[place : place + size]] for place in range(0, len(order), size)]
        if self.config.group_by_length:
            draw.shuffle(batches)
        return batches

    def _length(self, line: int) -> int:
        return sum(self.store.length(row) for row in self.lines[line])


class Lines(Sequence[Line]):
    """Every row by itself."""

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Line:  # type: ignore[override]
        return (self.rows[place],)


def packed(config: Config, store: Store, rows: Sequence[int]) -> list[Line]:
    """Rows put together until max_length is full, those that begin alike in lines of their own.

    The longest first, each where it leaves least room.
    """
    order = list(rows)
    random.Random(config.seed).shuffle(order)
    lines: list[Line] = []
    for place in range(0, len(order), POOL):
        for once, group in alike(store, order[place : place + POOL]):
            lengths = {row: store.length(row) - once for row in group}
            lines += _filled(lengths, config.max_length - once)
    return lines


def _filled(lengths: Mapping[int, int], limit: int) -> list[Line]:
    """Rows in lines of at most so many tokens."""
    lines: list[list[int]] = []
    room: list[tuple[int, int]] = []
    """Free tokens of each line, and the line; sorted."""
    for row in sorted(lengths, key=lambda one: -lengths[one]):
        length = lengths[row]
        place = bisect_left(room, (length, -1))
        if place == len(room):
            lines.append([row])
            insort(room, (limit - length, len(lines) - 1))
            continue
        free, line = room.pop(place)
        lines[line].append(row)
        insort(room, (free - length, line))
    return [tuple(line) for line in lines]
