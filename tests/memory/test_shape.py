"""Shapes: from headers and from config.json, of the families that people train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from doctor.memory.dimensions import text_config
from doctor.memory.shape import shape_of
from doctor.memory.storage import total
from doctor.model import ModelFacts
from doctor.scan.model_folder import read_model

LLAMA = {
    "model_type": "llama", "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
    "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 32000,
}  # fmt: skip
PARAMETERS: dict[str, tuple[dict[str, Any], int]] = {
    "TinyLlama-1.1B": (LLAMA, 1_100_048_384),
    "Mistral-7B": (
        {**LLAMA, "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
         "num_key_value_heads": 8, "sliding_window": 4096},
        7_241_732_096,
    ),
    "Qwen2.5-7B": (
        {**LLAMA, "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
         "num_attention_heads": 28, "vocab_size": 152064},
        7_615_616_512,
    ),
    "Qwen3-0.6B": (
        {**LLAMA, "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
         "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
         "tie_word_embeddings": True},
        596_049_920,
    ),
    "Gemma-2-2B": (
        {**LLAMA, "model_type": "gemma2", "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
         "num_attention_heads": 8, "head_dim": 256, "vocab_size": 256000},
        2_614_341_888,
    ),
    "Mixtral-8x7B": (
        {**LLAMA, "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
         "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2},
        46_702_792_704,
    ),
    "Phi-3-mini": (
        {**LLAMA, "model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
         "num_key_value_heads": 32, "vocab_size": 32064},
        3_821_079_552,
    ),
}  # fmt: skip
"""config.json and the number of parameters that the published checkpoint has."""


@pytest.mark.parametrize(("config", "parameters"), PARAMETERS.values(), ids=PARAMETERS)
def test_weights_follow_from_config(config: dict[str, Any], parameters: int) -> None:
    shape = shape_of(ModelFacts("/m", config))
    assert shape.parameters == parameters
    assert shape.known and not shape.measured


def write(folder: Path, config: dict[str, Any], tensors: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    """A model folder whose file is a hole as large as its header says."""
    header: dict[str, Any] = {}
    end = 0
    for name, (dtype, dims) in tensors.items():
        size = 2
        for each in dims:
            size *= each
        header[name] = {"dtype": dtype, "shape": dims, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def test_headers_and_config_agree(tmp_path: Path) -> None:
    derived = shape_of(ModelFacts("/m", LLAMA))
    write(tmp_path, LLAMA, {weight.name: ("BF16", weight.shape) for weight in derived.weights})
    model = read_model(str(tmp_path), [], headers=True)
    assert model is not None
    read = shape_of(model)
    assert read.measured and read.parameters == derived.parameters
    assert [(w.name, w.kind) for w in read.weights] == [(w.name, w.kind) for w in derived.weights]


def test_an_unknown_architecture_is_judged_by_its_shapes() -> None:
    config = {"model_type": "own", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100}
    tensors = {
        "transformer.wte.weight": ("F32", (100, 64)),
        "transformer.h.0.attn.c_attn.weight": ("F32", (64, 192)),
        "transformer.h.0.mlp.c_fc.weight": ("F32", (64, 256)),
        "transformer.ln_f.weight": ("F32", (64,)),
        "lm_head.weight": ("F32", (100, 64)),
    }
    shape = shape_of(ModelFacts("/m", config, tensors=tensors))
    assert not shape.known
    assert [weight.kind for weight in shape.weights] == ["head", "linear", "linear", "other", "embedding"]
    assert shape.dimensions.fused_qkv and not shape.dimensions.gated
    assert shape.weights[1].layer == 0 and shape.weights[0].layer is None


def test_a_config_without_widths_is_refused_by_the_name_of_the_key() -> None:
    with pytest.raises(ValueError, match="gives no hidden_size"):
        shape_of(ModelFacts("/m", {"model_type": "llama"}))


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({**LLAMA, "num_hidden_layers": 10**9}, "which no model has"),
        ({**LLAMA, "num_hidden_layers": 60, "num_experts": 10**6}, "which no model has"),
        ({**LLAMA, "is_encoder_decoder": True}, "an encoder and a decoder"),
        ({**LLAMA, "hidden_size": "2048"}, "gives no hidden_size"),
        ({**LLAMA, "vocab_size": -1}, "gives no vocab_size"),
    ],
)
def test_a_damaged_config_is_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        shape_of(ModelFacts("/m", config))


@pytest.mark.parametrize(
    ("config", "tensors", "low"),
    [
        (LLAMA, {}, 0.93),
        ({**LLAMA, "num_experts": 4}, {}, 0.8),
        ({**LLAMA, "model_type": "own"}, {"a.weight": ("BF16", (8, 8))}, 0.8),
        ({**LLAMA, "model_type": "own"}, {}, 0.7),
    ],
)
def test_the_less_is_known_the_wider_the_interval(config: dict[str, Any], tensors: dict[str, Any], low: float) -> None:
    shape = shape_of(ModelFacts("/m", config, tensors=tensors))
    assert shape.interval(1000)[0] == int(1000 * low)


def test_the_language_part_of_a_model_that_sees() -> None:
    config = {"model_type": "gemma3", "text_config": {**LLAMA, "model_type": "gemma3_text"}}
    assert shape_of(ModelFacts("/m", config)).dimensions.hidden == 2048
    assert text_config(config)["tie_word_embeddings"] is True


def test_a_checkpoint_that_is_quantised_counts_its_own_bytes() -> None:
    config = {**LLAMA, "quantization_config": {"quant_method": "bitsandbytes"}}
    tensors = {"model.layers.0.mlp.up_proj.weight": ("U8", (1024, 1)), "model.norm.weight": ("BF16", (2048,))}
    shape = shape_of(ModelFacts("/m", config, tensors=tensors))
    assert total(shape, "nf4", Version("5.23.0")) == 1024 + 4096
