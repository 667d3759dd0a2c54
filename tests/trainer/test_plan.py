"""Which rows are computed when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from doctor.trainer.config import Config
from doctor.trainer.encode import Encoded
from doctor.trainer.plan import Micro, Plan, packed
from doctor.trainer.store import Store


def stored(*lengths: int) -> Store:
    store = Store()
    for length in lengths:
        store.add(Encoded(list(range(length)), list(range(length))))
    return store


def test_rows_come_back_as_they_were() -> None:
    store = stored(3)
    store.add(Encoded([0, 5, 0, 7], [-100, -100, 0, 7]))
    assert store[0] == ([0, 1, 2], [0, 1, 2])
    assert store[1] == ([0, 5, 0, 7], [-100, -100, 0, 7])
    assert (len(store), store.length(1), list(store.learnt)) == (2, 4, [2, 2])


def micros(plan: Plan) -> list[Micro]:
    return [micro for [micro] in plan]


@pytest.mark.parametrize("grouped", [False, True])
def test_every_row_once_an_epoch(configured: Callable[..., Config], grouped: bool) -> None:
    store = stored(*range(2, 81))
    config = configured(2, batch=2, accumulate=4, epochs=2, group_by_length=grouped)
    plan = Plan(config, store, range(79))
    assert (plan.updates_an_epoch, plan.updates, len(plan)) == (10, 20, 80)
    made = micros(plan)
    assert len(made) == len(plan), "each update has all its batches, the last ones of an epoch none of its rows"
    for epoch in (made[:40], made[40:]):
        assert Counter(row for micro in epoch for line in micro.lines for row in line) == Counter(range(79))
    for place in range(0, 80, 4):
        window = made[place : place + 4]
        rows = [row for micro in window for line in micro.lines for row in line]
        assert {micro.learnt for micro in window} == {sum(store.learnt[row] for row in rows)}
    assert made[:40] != made[40:], "in another order"
    assert micros(Plan(config, store, range(79))) == made, "and the same again"
    if grouped:
        assert all(abs(a[0] - b[0]) <= 1 for a, b in (micro.lines for micro in made if len(micro.lines) == 2))


def test_processes_share_an_update(configured: Callable[..., Config]) -> None:
    store = stored(*range(2, 25))
    one = micros(Plan(configured(2, accumulate=4), store, range(23)))
    two = [micros(Plan(configured(2, accumulate=2), store, range(23), rank, 2)) for rank in (0, 1)]
    assert [micro.lines for micro in one] == [micro.lines for pair in zip(*two, strict=True) for micro in pair]
    assert [micro.learnt for micro in one[::2]] == [micro.learnt for micro in two[0]]
    assert all(a.tokens == b.tokens for a, b in zip(*two, strict=True))


def test_max_steps_goes_on_into_further_epochs(configured: Callable[..., Config]) -> None:
    plan = Plan(configured(2, max_steps=7, accumulate=2), stored(*[4] * 6), range(6))
    assert (plan.updates_an_epoch, plan.updates, len(micros(plan))) == (3, 7, 14)


def test_packed_rows_fill_lines(configured: Callable[..., Config]) -> None:
    store = stored(*[3, 9, 5, 5, 2, 7, 8, 4, 6, 10])
    lines = packed(configured(2, max_length=12), store, range(10))
    assert sorted(row for line in lines for row in line) == list(range(10))
    assert all(sum(store.length(row) for row in line) <= 12 for line in lines)
    assert len(lines) == 5, "59 tokens in lines of 12"
