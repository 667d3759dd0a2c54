"""config.json, tokenizer_config.json and tokenizer.json in both spellings."""

from __future__ import annotations

from typing import Any

import pytest

from doctor.trainer.export import architectures, portable, tokenizer

LONG = {"short_factor": [1.0], "long_factor": [2.0]}


@pytest.mark.parametrize(
    ("found", "both"),
    [
        (
            {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}, "dtype": "bfloat16"},
            {"rope_theta": 5e5, "rope_scaling": None, "torch_dtype": "bfloat16", "dtype": "bfloat16"},
        ),
        (
            {"rope_theta": 1e6, "rope_scaling": None, "torch_dtype": "float16"},
            {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, "dtype": "float16"},
        ),
        (
            {"rope_theta": 1e4, "rope_scaling": {"type": "su", **LONG}},
            {
                "rope_scaling": {"type": "longrope", **LONG},
                "rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4, **LONG},
            },
        ),
        (
            {"rope_parameters": {"rope_type": "longrope", **LONG, "original_max_position_embeddings": 64}},
            {"rope_scaling": {"type": "longrope", **LONG}, "original_max_position_embeddings": 64},
        ),
        (
            {"rope_parameters": {"rope_type": "longrope", **LONG, "attention_factor": 1.2}},
            {"rope_scaling": {"type": "longrope", "rope_type": "longrope", "attention_factor": 1.2, **LONG}},
        ),
        (
            {
                "rope_parameters": {
                    "rope_type": "linear",
                    "factor": 2.0,
                    "rope_theta": 1e4,
                    "partial_rotary_factor": 0.5,
                }
            },
            {
                "rope_scaling": {"rope_type": "linear", "type": "linear", "factor": 2.0},
                "rope_theta": 1e4,
                "partial_rotary_factor": 0.5,
            },
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}},
            {"rope_theta": 1e6, "rope_local_base_freq": 1e4},
        ),
        ({"text_config": {"dtype": "bfloat16"}}, {"text_config": {"dtype": "bfloat16", "torch_dtype": "bfloat16"}}),
    ],
)
def test_a_configuration_says_it_twice(found: dict[str, Any], both: dict[str, Any]) -> None:
    made = portable.config(found)
    assert {key: made[key] for key in both} == both
    assert portable.config(made) == made


def test_what_is_of_one_release_goes() -> None:
    made = portable.config(
        {"transformers_version": "5.23.0", "_name_or_path": "/home/me/x", "vocab_size": 1}, vocab_size=2
    )
    assert made == {"vocab_size": 2}


def test_a_tokenizer_of_5_for_4() -> None:
    found = {"tokenizer_class": "TokenizersBackend", "extra_special_tokens": ["<x>"], "backend": "tokenizers"}
    assert portable.tokenizer_config(found, "T") == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "additional_special_tokens": ["<x>"],
        "chat_template": "T",
    }


@pytest.mark.parametrize(
    "steps", [None, {"type": "ByteLevel"}, {"type": "Sequence", "processors": [{"type": "ByteLevel"}]}]
)
def test_the_beginning_of_text_comes_and_goes(steps: dict[str, Any] | None) -> None:
    found = {"post_processor": steps, "added_tokens": [{"content": "<s>", "id": 7}]}
    begun = tokenizer.beginning(found, "<s>", True)
    assert begun != found
    assert tokenizer.beginning(begun, "<s>", True) == begun
    without = tokenizer.beginning(begun, "<s>", False)
    assert "'SpecialToken'" not in str(without["post_processor"])
    assert tokenizer.beginning(found, "<s>", False) == found


def test_llama_3s_frequencies() -> None:
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 5e5}
    config = {"head_dim": 128, "rope_parameters": {**rope, "original_max_position_embeddings": 8192}}
    [values] = architectures.factors(config).values()
    assert (values[0], values[-1], len(values)) == (1.0, 8.0, 64)
    assert sorted(values) == values
