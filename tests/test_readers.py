"""Which readers a file is worth parsing for, found as plain searches find them."""

from __future__ import annotations

import random

import pytest

from doctor.readers import Readers


@pytest.mark.parametrize(
    ("needles", "data", "found"),
    [
        ({}, b"anything", ""),
        ({"a": ()}, b"anything", ""),
        ({"a": (b"",)}, b"", "a"),
        ({"a": (b"",), "b": (b"torch.",)}, b"x", "a"),
        ({"a": (b"torch.zeros(", b"torch.ones(")}, b"torch.zeros", ""),
        ({"a": (b"torch.zeros(", b"torch.ones(")}, b"x = torch.ones(3)", "a"),
        ({"a": (b"torch.zeros(",), "b": (b"torch.ones(",)}, b"x = torch.ones(3)", "b"),
        ({"a": (b"cache",), "b": (b"key_cache",)}, b"cache", "a"),
        ({"a": (b"cache",), "b": (b"key_cache",)}, b"key_cache", "ab"),
        ({"a": (b"ab", b"cd"), "b": (b"cd",)}, b"xcdx", "ab"),
        ({"a": (b"\x00\xff",)}, b"a\x00\xffb", "a"),
    ],
)
def test_readers(needles: dict[str, tuple[bytes, ...]], data: bytes, found: str) -> None:
    assert sorted(Readers(needles).interested(data)) == list(found)


@pytest.mark.parametrize("seed", range(30))
def test_the_same_as_searching_for_each(seed: int) -> None:
    chance = random.Random(seed)

    def words() -> tuple[bytes, ...]:
        return tuple(bytes(chance.choices(b"ab_", k=chance.randrange(1, 9))) for _ in range(chance.randrange(4)))

    needles = {name: words() for name in "abcdefgh"}
    readers = Readers(needles)
    for _ in range(200):
        data = bytes(chance.choices(b"ab_", k=chance.randrange(20)))
        plain = [name for name in needles if any(needle in data for needle in needles[name])]
        assert sorted(readers.interested(data)) == plain
