"""What the stages do differently by release and setting; the figures themselves are in test_measured.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from packaging.version import Version

from doctor.memory.generating import cache
from doctor.memory.loading import load, warm_up
from doctor.memory.run import CONTEXT, GIB, Run
from doctor.memory.shape import Shape, shape_of
from doctor.memory.storage import resident, total
from doctor.memory.training import train, trainable
from doctor.model import ModelFacts

NEW, OLD = Version("5.23.0"), Version("4.57.6")
LLAMA: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
    "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 32000,
}  # fmt: skip
MIXTRAL = {**LLAMA, "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}
RUN = Run()


def shape(config: dict[str, Any]) -> Shape:
    return shape_of(ModelFacts("/m", config))


TINY = shape(LLAMA)


def test_what_a_linear_layer_takes() -> None:
    weight = next(weight for weight in TINY.weights if weight.name.endswith("0.mlp.up_proj.weight"))
    sizes = {
        quant: resident(weight, quant, TINY, NEW) / weight.numel for quant in ("none", "int8", "nf4", "nf4-double")
    }
    assert sizes == pytest.approx({"none": 2, "int8": 1.002, "nf4": 0.5625, "nf4-double": 0.516}, rel=0.001)


@pytest.mark.parametrize(
    ("release", "quantised", "plain"),
    [("4.49.0", 0, 0), ("4.50.3", 0, 2.0), ("4.51.3", 1.0, 2.0), ("4.57.6", 0.94, 1.88), ("5.23.0", 0.68, 2.0)],
)
def test_what_the_loader_reserves_ahead(release: str, quantised: float, plain: float) -> None:
    """Bytes a parameter; from 4.54 to 4.57 without the head."""
    for quant, each in (("nf4", quantised), ("none", plain)):
        found = warm_up(TINY, replace(RUN, quant=quant), Version(release)).size
        assert found / TINY.parameters == pytest.approx(each, abs=0.01)


def test_a_reservation_leaves_a_small_card_room() -> None:
    assert load(TINY, RUN, OLD, card=None).where == "when the loader reserves memory ahead"
    small = load(TINY, RUN, OLD, card=GIB)
    assert small.fits(GIB) is (small.peak + CONTEXT <= GIB)
    assert small.peak < load(TINY, RUN, OLD).peak


def test_threads_run_ahead_from_5_0_to_5_3_only() -> None:
    peaks = {release: load(TINY, RUN, Version(release)).peak for release in ("4.47.1", "5.0.0rc1", "5.3.0", "5.4.0")}
    assert peaks["5.3.0"] == peaks["5.0.0rc1"] == pytest.approx(2 * TINY.parameters, rel=0.001)
    assert peaks["5.4.0"] == peaks["4.47.1"] < peaks["5.3.0"] / 2
    assert load(TINY, replace(RUN, asynchronous=False), Version("5.3.0")).peak == peaks["5.4.0"]
    assert load(TINY, replace(RUN, quant="none"), Version("5.3.0")).where != "while 16-bit weights wait to be quantised"


def test_experts_stay_in_16_bits_from_5_0_on() -> None:
    mixtral = shape(MIXTRAL)
    experts = sum(weight.numel for weight in mixtral.of("expert"))
    assert total(mixtral, "nf4-double", NEW) - total(mixtral, "nf4-double", OLD) == pytest.approx(
        1.484 * experts, rel=0.01
    )
    assert sum(trainable(mixtral, "lora", 8, NEW).values()) < sum(trainable(mixtral, "lora", 8, OLD).values()) / 5
    own = shape({**MIXTRAL, "auto_map": {"AutoModelForCausalLM": "modeling_own.Own"}})
    assert total(own, "nf4-double", NEW) == total(mixtral, "nf4-double", OLD)


def test_each_way_to_save_memory_saves_some() -> None:
    usual = train(TINY, RUN, NEW).peak
    lean = train(TINY, replace(RUN, upcast=False, fused_loss=True), NEW).peak
    offload = train(TINY, replace(RUN, upcast=False, fused_loss=True, offload=True, max_length=4096), NEW)
    kept = train(TINY, replace(RUN, upcast=False, fused_loss=True, max_length=4096), NEW)
    assert lean < usual and offload.peak < kept.peak and offload.host > kept.host
    assert train(TINY, replace(RUN, checkpointing=False), NEW).peak > usual
    assert train(TINY, replace(RUN, accumulate=4), NEW).peak > usual
    assert train(TINY, replace(RUN, attention="eager"), NEW).peak >= usual
    assert train(TINY, replace(RUN, optimizer="adamw"), NEW).peak > usual
    assert train(TINY, replace(RUN, method="full", quant="none"), NEW).parts["weights"] >= 2 * TINY.parameters


def test_a_sliding_window_bounds_the_cache_since_4_56() -> None:
    windowed = shape({**LLAMA, "model_type": "gemma2", "sliding_window": 100, "head_dim": 64}).dimensions
    assert (windowed.window, windowed.sliding) == (100, 11)
    assert cache(windowed, 1, 1000, Version("4.47.1")) == 2 * cache(windowed, 1, 500, Version("4.47.1"))
    assert (
        cache(windowed, 1, 1000, NEW) == cache(windowed, 1, 1000, Version("4.47.1")) * (11 * 100 + 11 * 1000) // 22000
    )


def test_nothing_is_said_to_fit_where_no_card_is_known() -> None:
    estimate = load(TINY, RUN, NEW)
    assert estimate.fits(None) is None
    assert estimate.fits(estimate.peak + CONTEXT) is True and estimate.tight(estimate.peak + CONTEXT)
    assert estimate.fits(estimate.peak + CONTEXT - 1) is False
