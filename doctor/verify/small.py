"""A model's config for a verification: as it is, or so small that random weights of it fit anywhere.

The width of one attention head stays, for the lists of RoPE factors are made for it; there are fewer heads and layers,
and borders such as the sliding window are drawn in, so that a few dozen tokens cross them.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers")
WIDTH = ("hidden_size", "n_embd", "d_model", "hidden_dim", "dim", "word_embed_proj_dim")
HEADS = (
    *("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads"),
    "decoder_attention_heads",
)
SHARED_HEADS = ("num_key_value_heads", "num_kv_heads", "multi_query_group_num", "n_head_kv")
INNER = ("intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner", "encoder_ffn_dim", "decoder_ffn_dim")
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
BORDERS = {"sliding_window": 20, "attention_window": 20, "original_max_position_embeddings": 16}
LENGTHS = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len", "max_sequence_length")
FEW, LENGTH, WORDS, SOME_EXPERTS = 4, 128, 512, 8
PARTS = ("text_config", "llm_config", "language_config", "vision_config", "audio_config")
QUANTISED = "quantization_config"
ATTENTION = ("_attn_implementation", "attn_implementation")


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as a verification reads it: 32-bit numbers on the CPU, and the code beside it, not elsewhere."""
    names = config.get("auto_map") or {}
    own = {auto: _beside(name) for auto, name in names.items()}
    flash = [name for name in ATTENTION if "flash" in str(config.get(name))]
    return {**config, **dict.fromkeys(flash, "eager"), "auto_map": own, "torch_dtype": "float32", "dtype": "float32"}


def _beside(name: Any) -> Any:
    """`owner/name--module.Class` without the repository, of a class or of a pair of tokenizers."""
    if isinstance(name, list):
        return [_beside(each) for each in name]
    return name.rpartition("--")[2] if isinstance(name, str) else name


def shrunk(config: Mapping[str, Any], narrow: bool = True) -> dict[str, Any]:
    """The config of a model of the same kind with two layers; `narrow`: and with four heads and few tokens."""
    small = {key: deepcopy(value) for key, value in config.items() if key != QUANTISED}
    for part in PARTS:
        if isinstance(small.get(part), dict):
            small[part] = shrunk(small[part], narrow)
    _layers(small)
    if narrow:
        _narrow(small)
        _words(small)
    _borders(small)
    return small


def vocabulary(config: Mapping[str, Any]) -> int:
    """How many tokens the config says there are; 0 where it does not say."""
    sizes = [config.get("vocab_size"), *(config[part].get("vocab_size") for part in PARTS if part in config)]
    return next((size for size in sizes if isinstance(size, int) and size > 0), 0)


def special(config: Mapping[str, Any]) -> set[int]:
    """The ids of tokens that mean something to the model's code."""
    found: set[int] = set()
    for key, value in config.items():
        if isinstance(value, dict):
            found |= special(value)
        elif key.endswith(("token_id", "token_index", "token_ids")):
            found |= {number for number in (value if isinstance(value, list) else [value]) if _count(number)}
    return found


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _layers(config: dict[str, Any]) -> None:
    for name in LAYERS:
        old = config.get(name)
        if old is None or not _count(old) or old <= 2:
            continue
        config[name] = 2
        for key, value in config.items():
            if isinstance(value, list) and len(value) == old:  # one entry a layer
                config[key] = value[:2]


def _narrow(config: dict[str, Any]) -> None:
    heads = next((config[name] for name in HEADS if _count(config.get(name))), 0)
    width = next((config[name] for name in WIDTH if _count(config.get(name))), 0)
    if heads > FEW and width and width % heads == 0:
        for name in WIDTH:
            if config.get(name) == width:
                config[name] = width // heads * FEW
        for name in SHARED_HEADS:
            if _count(config.get(name)):
                config[name] = max(1, FEW * config[name] // heads)
        config |= {name: FEW for name in HEADS if config.get(name) == heads}
    for name in INNER:
        if _count(config.get(name)):
            config[name] = min(config[name], 512)
    for name in EXPERTS:
        if _count(config.get(name)):
            config[name] = min(config[name], SOME_EXPERTS)


def _words(config: dict[str, Any]) -> None:
    """Fewer tokens, but every special one."""
    if _count(config.get("vocab_size")):
        config["vocab_size"] = min(config["vocab_size"], max(WORDS, *special(config), 0) + 1)


def _borders(config: dict[str, Any]) -> None:
    for name in LENGTHS:
        if _count(config.get(name)):
            config[name] = min(config[name], LENGTH)
    for place in (config, config.get("rope_scaling"), config.get("rope_parameters")):
        for name, value in BORDERS.items():
            if isinstance(place, dict) and _count(place.get(name)):
                place[name] = min(place[name], value)
