"""Configs for random weights: small, and still of the same kind."""

from __future__ import annotations

from typing import Any

import pytest

from doctor.verify import batches
from doctor.verify.small import plain, shrunk, special, vocabulary

PHI3: dict[str, Any] = {
    "model_type": "phi3",
    "auto_map": {"AutoConfig": "microsoft/Phi-3--configuration_phi3.Phi3Config", "AutoTokenizer": ["x--t.T", None]},
    "hidden_size": 3072,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 32,
    "intermediate_size": 8192,
    "vocab_size": 32064,
    "pad_token_id": 32000,
    "eos_token_id": [2, 32007],
    "max_position_embeddings": 131072,
    "original_max_position_embeddings": 4096,
    "sliding_window": 262144,
    "layer_types": ["full_attention"] * 32,
    "rope_scaling": {"type": "longrope", "short_factor": [1.0] * 48, "long_factor": [2.0] * 48},
    "quantization_config": {"load_in_4bit": True},
    "torch_dtype": "bfloat16",
}


def test_a_head_keeps_its_width_for_the_rope_factors() -> None:
    small = shrunk(PHI3)
    assert (
        small["hidden_size"] // small["num_attention_heads"]
        == 3072 // 32
        == 2 * len(small["rope_scaling"]["long_factor"])
    )
    assert (small["num_attention_heads"], small["num_key_value_heads"]) == (4, 1)


def test_lists_of_one_entry_a_layer_are_cut_with_the_layers() -> None:
    small = shrunk(PHI3)
    assert (small["num_hidden_layers"], small["layer_types"]) == (2, ["full_attention"] * 2)


def test_every_special_token_stays_in_the_vocabulary() -> None:
    assert vocabulary(shrunk(PHI3)) == 32008
    assert vocabulary(shrunk({**PHI3, "pad_token_id": 0, "eos_token_id": 2})) == 513


def test_borders_are_where_a_few_tokens_cross_them() -> None:
    small = shrunk(PHI3)
    longest = max(len(row) for batch in batches(small) for row in batch["ids"])
    assert small["original_max_position_embeddings"] < longest and small["sliding_window"] < longest
    assert longest <= small["max_position_embeddings"]


def test_parts_are_shrunk_as_well_and_the_original_is_not() -> None:
    whole = {"model_type": "vl", "text_config": dict(PHI3)}
    assert shrunk(whole)["text_config"]["num_hidden_layers"] == 2
    assert whole["text_config"]["num_hidden_layers"] == 32
    assert PHI3["rope_scaling"] == {"type": "longrope", "short_factor": [1.0] * 48, "long_factor": [2.0] * 48}
    assert vocabulary(whole) == 32064


def test_not_narrow_keeps_the_width() -> None:
    small = shrunk(PHI3, narrow=False)
    assert (small["hidden_size"], small["num_hidden_layers"], small["vocab_size"]) == (3072, 2, 32064)


def test_the_code_is_looked_for_beside_the_config_and_in_32_bits() -> None:
    config = plain(PHI3)
    assert config["auto_map"] == {"AutoConfig": "configuration_phi3.Phi3Config", "AutoTokenizer": ["t.T", None]}
    assert (config["torch_dtype"], config["dtype"]) == ("float32", "float32")
    assert plain({"_attn_implementation": "flash_attention_2"})["_attn_implementation"] == "eager"
    assert plain({"_attn_implementation": "sdpa"})["_attn_implementation"] == "sdpa"


def test_batches_are_the_same_every_time_and_hold_no_special_token() -> None:
    first = batches(PHI3)
    assert first == batches(PHI3)
    short, padded, long = first
    assert padded["mask"][0] == [0] * 4 + [1] * 6 and padded["ids"][0][:4] == [32000] * 4
    assert len(long["ids"][0]) > len(short["ids"][0])
    used = {number for row in (*short["ids"], *long["ids"]) for number in row}
    assert not used & special(PHI3)


@pytest.mark.parametrize("config", [{}, {"vocab_size": 4, "pad_token_id": -1, "num_hidden_layers": None}], ids=repr)
def test_odd_configs_are_taken_as_they_are(config: dict[str, Any]) -> None:
    assert all(number >= 0 for batch in batches(shrunk(config)) for row in batch["ids"] for number in row)
