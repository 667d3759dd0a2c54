"""The cache functions that patches bring along answer the same for the caches of every release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from doctor.patch import catalogue

HELPERS = {name: source for patch in catalogue() for name, source in patch.helpers.items()}


def function(name: str) -> Callable[..., Any]:
    """One of the functions, as it stands in a patched file."""
    names: dict[str, Any] = {}
    exec(HELPERS[name], names)
    found: Callable[..., Any] = names[name]
    return found


class Cache447:
    """A DynamicCache of transformers 4.47: lists of tensors, a counter, None for no limit."""

    def __init__(self) -> None:
        self.key_cache: list[str] = []
        self.value_cache: list[str] = []
        self.seen_tokens = 0

    @classmethod
    def from_legacy_cache(cls, past_key_values: Any = None) -> Cache447:
        cache = cls()
        for index, (key, value) in enumerate(past_key_values or ()):
            cache.update(key, value, index)
        return cache

    def update(self, key: str, value: str, layer_idx: int) -> None:
        self.key_cache.append(key)
        self.value_cache.append(value)
        self.seen_tokens = len(key)

    def to_legacy_cache(self) -> tuple[tuple[str, str], ...]:
        return tuple(zip(self.key_cache, self.value_cache, strict=True))

    def __getitem__(self, index: int) -> tuple[str, str]:
        return self.key_cache[index], self.value_cache[index]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return len(self.key_cache[layer_idx]) if self.key_cache else 0

    def get_max_cache_shape(self) -> None:
        return None

    def get_usable_length(self, new_seq_length: int, layer_idx: int = 0) -> int:
        return self.get_seq_length(layer_idx)


class Layer:
    def __init__(self, keys: str, values: str) -> None:
        self.keys, self.values = keys, values

    def get_max_length(self) -> int:
        return -1


class Cache523:
    """A DynamicCache of transformers 5.23: layers, no counter, -1 for no limit, no answer without layers."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []

    def update(self, key: str, value: str, layer_idx: int) -> None:
        self.layers.append(Layer(key, value))

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return len(self.layers[layer_idx].keys) if self.layers else 0

    def get_max_length(self) -> int:
        return max(-1 for _ in self.layers)


class Sink447(Cache447):
    """A cache that forgets: it has seen more than it holds, and leaves room for what comes."""

    def get_max_cache_shape(self) -> int:  # type: ignore[override]
        return 4

    def get_usable_length(self, new_seq_length: int, layer_idx: int = 0) -> int:
        return 4 - new_seq_length


BOTH = pytest.mark.parametrize("kind", [Cache447, Cache523])
LAYERS = (("abc", "ABC"), ("abc", "XYZ"))


@BOTH
def test_a_tuple_of_layers_becomes_a_cache(kind: Any) -> None:
    cache = function("_doctor_from_legacy")(kind, LAYERS)
    assert type(cache) is kind
    assert cache.get_seq_length() == 3
    assert function("_doctor_cache_layer")(cache, 1) == ("abc", "XYZ")


@BOTH
def test_nothing_becomes_an_empty_cache(kind: Any) -> None:
    for cache in (function("_doctor_from_legacy")(kind), function("_doctor_from_legacy")(kind, None)):
        assert cache.get_seq_length() == 0
        assert function("_doctor_seen_tokens")(cache) == 0
        assert function("_doctor_max_length")(cache) is None


@BOTH
def test_a_cache_without_limit_keeps_everything(kind: Any) -> None:
    cache = function("_doctor_from_legacy")(kind, LAYERS)
    assert function("_doctor_seen_tokens")(cache) == 3
    assert function("_doctor_max_length")(cache) is None
    assert function("_doctor_usable_length")(cache, 2, 1) == 3


def test_a_cache_that_forgets_is_asked_itself() -> None:
    cache = function("_doctor_from_legacy")(Sink447, LAYERS)
    cache.seen_tokens = 9
    assert function("_doctor_seen_tokens")(cache) == 9
    assert function("_doctor_max_length")(cache) == 4
    assert function("_doctor_usable_length")(cache, 1) == 3


def test_tuples_come_back_only_where_the_release_has_them() -> None:
    to_legacy, from_legacy = function("_doctor_to_legacy"), function("_doctor_from_legacy")
    assert to_legacy(from_legacy(Cache447, LAYERS)) == LAYERS
    newer = from_legacy(Cache523, LAYERS)
    assert to_legacy(newer) is newer


def test_a_layer_of_a_tuple_is_the_layer() -> None:
    assert function("_doctor_cache_layer")(LAYERS, 1) == LAYERS[1]
