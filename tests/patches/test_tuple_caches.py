"""What the patches for models of tuples bring along: positions handed on, arguments old and new, refusals."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest

from doctor.patch import Refusal, catalogue, rewrite

HELPERS = {name: source for patch in catalogue() for name, source in patch.helpers.items()}
LAYERS = (("keys", "values"),)


class Ids:
    """As much of a tensor as the functions ask for."""

    device = None

    def __init__(self, length: int) -> None:
        self.shape = (2, length)

    def new_ones(self, shape: tuple[int, ...]) -> Ids:
        return Ids(shape[-1])

    def __getitem__(self, key: tuple[Any, slice]) -> Ids:
        return Ids(len(range(self.shape[-1])[key[1]]))

    def clone(self) -> Ids:
        return Ids(self.shape[-1])


def function(name: str, **names: Any) -> Callable[..., Any]:
    """One of the functions, as it stands in a patched file."""
    exec(HELPERS[name], names)
    found: Callable[..., Any] = names[name]
    return found


def prepare(self: Any, input_ids: Ids, past_key_values: Any = None, attention_mask: Any = None, **kwargs: Any) -> Any:
    """An override of transformers 4 that makes positions only where it is handed none."""
    last = input_ids[:, -1:] if past_key_values else input_ids
    return {"input_ids": last, "attention_mask": attention_mask, "position_ids": None}


@pytest.mark.parametrize(("cache", "step", "new"), [(None, None, 5), (LAYERS, 1, 1)])
def test_mask_and_positions_of_a_tuple_cache(cache: Any, step: int | None, new: int) -> None:
    prepared = function("_doctor_generation_inputs", torch=None)(prepare)
    handed = Ids(5)
    inputs = prepared(None, Ids(5), past_key_values=cache, next_sequence_length=step, position_ids=handed)
    assert inputs["attention_mask"].shape[-1] == 5
    assert inputs["position_ids"].shape[-1] == new
    assert inputs["position_ids"] is not handed, "generate counts from its own, and files add to theirs in place"


def test_places_of_a_whole_text_without_a_cache_begin_at_its_start() -> None:
    def whole(self: Any, input_ids: Ids, attention_mask: Any = None, cache_position: Any = None, **kwargs: Any) -> Any:
        return {"input_ids": input_ids, "past_key_values": None, "cache_position": types.SimpleNamespace(shape=(1,))}

    torch = types.SimpleNamespace(arange=lambda first, last, device: (first, last))
    inputs = function("_doctor_generation_inputs", torch=torch)(whole)(None, Ids(5), next_sequence_length=1)
    assert inputs["cache_position"] == (0, 5)


def test_positions_of_the_caller_stay_dropped_on_4() -> None:
    prepared = function("_doctor_generation_inputs", torch=None)(prepare)
    inputs = prepared(None, Ids(5), attention_mask=Ids(5), position_ids=Ids(5))
    assert inputs["position_ids"] is None


def test_initial_cache_position_takes_both_forms() -> None:
    torch = types.SimpleNamespace(ones=lambda shape, dtype, device: Ids(shape[-1]), long=int)
    called = function("_doctor_initial_cache_position", torch=torch)(lambda self, ids, kwargs: (ids.shape[-1], kwargs))
    assert called(None, Ids(7), {}) == called(None, 7, "cpu", {}) == (7, {})


def test_an_override_that_reads_the_ids_is_refused() -> None:
    text = "class M(P):\n    def _get_initial_cache_position(self, ids, kwargs):\n        return ids.sum()\n"
    with pytest.raises(Refusal, match="length and device"):
        rewrite(text)


def test_rewritten_once_for_all() -> None:
    text = (
        "class P(PreTrainedModel):\n    pass\n\n\nclass M(P, GenerationMixin):\n"
        "    def forward(self, ids, past_key_values=None, head_mask=None):\n"
        "        head_mask = self.get_head_mask(head_mask, 2)\n        return past_key_values[0][0]\n"
    )
    once = rewrite(text)
    assert {"cache-of-tuples", "removed-mask-method"} <= set(once.patches)
    assert rewrite(once.text).text == once.text
