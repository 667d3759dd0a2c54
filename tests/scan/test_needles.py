"""One of many needles, found as a plain search finds it."""

from __future__ import annotations

import random

import pytest

from doctor.scan.needles import sieve


@pytest.mark.parametrize(
    ("needles", "data", "found"),
    [
        ((), b"anything", False),
        ((b"",), b"", True),
        ((b"", b"torch."), b"x", True),
        ((b"torch.zeros(", b"torch.ones("), b"torch.zeros", False),
        ((b"torch.zeros(", b"torch.ones("), b"x = torch.ones(3)", True),
        ((b"cache", b"key_cache"), b"cache", True),
        ((b"ab", b"cd"), b"xcdx", True),
        ((b"\x00\xff",), b"a\x00\xffb", True),
    ],
)
def test_a_sieve(needles: tuple[bytes, ...], data: bytes, found: bool) -> None:
    assert sieve(needles)(data) is found


@pytest.mark.parametrize("seed", range(30))
def test_the_same_as_searching_for_each(seed: int) -> None:
    chance = random.Random(seed)
    needles = [bytes(chance.choices(b"ab_", k=chance.randrange(1, 9))) for _ in range(chance.randrange(12))]
    test = sieve(needles)
    for _ in range(200):
        data = bytes(chance.choices(b"ab_", k=chance.randrange(20)))
        assert test(data) is any(needle in data for needle in needles)
