"""What llama.cpp calls the models of transformers: their kinds, and the figures of a config.json as a GGUF holds them.

Each kind stands here because its greedy tokens were compared with those of transformers; the tests do it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, pi, sqrt
from typing import TYPE_CHECKING, Any

from doctor.settings import UsageError

if TYPE_CHECKING:
    from gguf import GGUFWriter

CONVERTER = "convert_hf_to_gguf.py of llama.cpp"


@dataclass(frozen=True)
class Kind:
    """One architecture."""

    name: str
    """llama.cpp's word for it."""
    permuted: bool = False
    """Whether the rows of q and k are interleaved, as the original llama's were."""
    one_added: bool = False
    """Whether norms are stored as what is added to 1."""


KINDS = {
    "llama": Kind("llama", permuted=True),
    "mistral": Kind("llama", permuted=True),
    "qwen2": Kind("qwen2"),
    "qwen3": Kind("qwen3"),
    "phi3": Kind("phi3"),
    "gemma": Kind("gemma", one_added=True),
    "gemma2": Kind("gemma2", one_added=True),
    "gemma3_text": Kind("gemma3", one_added=True),
}
"""By `model_type`."""


def kind_of(config: Mapping[str, Any], where: object) -> Kind:
    """The architecture of a config.json; raises UsageError where it is not known."""
    name = config.get("model_type")
    if name not in KINDS:
        raise UsageError(
            f"{where} is a model of the kind {name!r}, which is not written as GGUF here (known are "
            f"{', '.join(KINDS)}): use {CONVERTER} on the merged folder"
        )
    return KINDS[str(name)]


def describe(writer: GGUFWriter, config: Mapping[str, Any]) -> None:
    """Write the figures of a config.json."""
    heads, width = config["num_attention_heads"], config["hidden_size"]
    size = config.get("head_dim") or width // heads
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(width)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_layer_norm_rms_eps(config.get("rms_norm_eps", 1e-6))
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(int(size * (rope(config).get("partial_rotary_factor") or 1)))
    writer.add_rope_freq_base(float(rope(config).get("rope_theta", 10000.0)))
    _window(writer, config)
    _scaling(writer, config)


def rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the rotary embedding of a folder in both spellings (see `portable`)."""
    found = config.get("rope_parameters") or {}
    whole = found.get("full_attention", found)
    beside = {key: config[key] for key in ("rope_theta", "partial_rotary_factor") if config.get(key) is not None}
    return {**beside, **whole}


def _window(writer: GGUFWriter, config: Mapping[str, Any]) -> None:
    kind = config["model_type"]
    if kind == "phi3" or (kind in ("gemma2", "gemma3_text") and config.get("sliding_window")):
        writer.add_sliding_window(config.get("sliding_window") or 0)  # llama.cpp loads no Phi-3 without the key
    if kind == "gemma2":
        writer.add_attn_logit_softcapping(config.get("attn_logit_softcapping") or 0.0)
        writer.add_final_logit_softcapping(config.get("final_logit_softcapping") or 0.0)


def _scaling(writer: GGUFWriter, config: Mapping[str, Any]) -> None:
    import gguf

    found = rope(config)
    kind = found.get("rope_type", "default")
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(found["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(found["factor"])
        writer.add_rope_scaling_orig_ctx_len(_original(config))
    elif kind == "longrope":
        scale = config["max_position_embeddings"] / _original(config)
        usual = sqrt(1 + log(scale) / log(_original(config))) if scale > 1 else 1.0
        writer.add_rope_scaling_orig_ctx_len(_original(config))
        writer.add_rope_scaling_attn_factors(found.get("attention_factor") or usual)
    elif kind not in ("default", "llama3"):
        raise UsageError(f"rope_type {kind!r} is not written as GGUF here: use {CONVERTER} on the merged folder")


def _original(config: Mapping[str, Any]) -> int:
    """The context before it was lengthened."""
    inside = rope(config).get("original_max_position_embeddings")
    return int(inside or config.get("original_max_position_embeddings") or config["max_position_embeddings"])


def factors(config: Mapping[str, Any]) -> dict[str, list[float]]:
    """What the frequencies of the rotary embedding are divided by, as tensors of a GGUF: by name."""
    found = rope(config)
    if found.get("rope_type") == "longrope":
        return {"rope_factors_long.weight": found["long_factor"], "rope_factors_short.weight": found["short_factor"]}
    if found.get("rope_type") == "llama3":
        return {"rope_freqs.weight": _llama3(config, found)}
    return {}


def _llama3(config: Mapping[str, Any], found: Mapping[str, Any]) -> list[float]:
    """Llama 3.1's: none for short waves, the whole factor for long ones, a passage between."""
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    low, high, factor = (float(found[key]) for key in ("low_freq_factor", "high_freq_factor", "factor"))
    context = _original(config)
    made = []
    for pair in range(0, size, 2):
        turns = context / (2 * pi * float(found["rope_theta"]) ** (pair / size))
        smooth = min(1.0, max(0.0, (turns - low) / (high - low)))
        made.append(1 / ((1 - smooth) / factor + smooth))
    return made
