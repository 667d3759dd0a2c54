"""What packed rows have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from doctor.trainer.config import Config
from doctor.trainer.encode import Encoded
from doctor.trainer.plan import packed
from doctor.trainer.sharing import DEEPEST, alike, shared
from doctor.trainer.store import Store

SHORT, LONG = list(range(100, 120)), list(range(100, 105)) + list(range(200, 260))
"""Two system prompts that begin with the same five tokens."""


def stored(rows: Sequence[tuple[list[int], list[int], list[int]]]) -> Store:
    """Rows of a beginning and a question, which are not learnt, and an answer, which is."""
    store = Store()
    for beginning, question, answer in rows:
        asked = beginning + question
        store.add(Encoded(asked + answer, [-100] * len(asked) + answer))
    return store


def test_rows_share_what_none_of_them_learns() -> None:
    store = stored([(SHORT, [1, 2], [3]), (SHORT, [1, 4], [5]), (SHORT, [6], [7])])
    assert shared(store, [0]) == 0
    assert shared(store, [0, 1]) == len(SHORT) + 1, "the question's first token too"
    assert shared(store, [0, 1, 2]) == len(SHORT)


def test_the_token_before_the_first_that_is_learnt_is_each_rows_own() -> None:
    store = stored([(SHORT, [], [3]), (SHORT, [], [5])])
    assert shared(store, [0, 1]) == len(SHORT) - 1


def test_a_few_tokens_are_not_shared() -> None:
    assert shared(stored([([1, 2, 3], [4], [5]), ([1, 2, 3], [6], [7])]), [0, 1]) == 0


def test_rows_are_grouped_so_that_most_is_saved() -> None:
    alone: list[tuple[list[int], list[int], list[int]]] = [([], [9, n], [n]) for n in range(3)]
    rows = [(prompt, [n, n + 1], [n]) for n in range(4) for prompt in (SHORT, LONG)]
    store = stored([*rows, *alone])
    groups = {tokens: sorted(group) for tokens, group in alike(store, range(len(store)))}
    assert groups == {len(SHORT): [0, 2, 4, 6], len(LONG): [1, 3, 5, 7], 0: [8, 9, 10]}


def test_rows_that_are_each_a_little_longer_than_another() -> None:
    store = stored([(SHORT + [7] * n, [8], [9]) for n in range(10 * DEEPEST)])
    found = sorted(row for _, group in alike(store, range(len(store))) for row in group)
    assert found == list(range(10 * DEEPEST))


@pytest.mark.parametrize("limit", [40, 80])
def test_lines_hold_what_is_shared_once(configured: Callable[..., Config], limit: int) -> None:
    store = stored([(SHORT, [n, n], [n] * (n % 5 + 1)) for n in range(30)])
    lines = packed(configured(2, max_length=limit), store, range(30))
    assert sorted(row for line in lines for row in line) == list(range(30))
    once = [shared(store, line) for line in lines]
    widths = [n + sum(store.length(row) - n for row in line) for n, line in zip(once, lines, strict=True)]
    assert max(widths) <= limit
    assert sum(widths) < sum(store.length(row) for row in range(30)) / 2
