"""The widths of a model, in whatever words its config.json has for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAMES = {
    "hidden": ("hidden_size", "n_embd", "d_model", "dim", "model_dim"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "num_transformer_layers"),
    "heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "key_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num"),
    "inner": ("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "d_ff", "hidden_dim"),
    "vocabulary": ("vocab_size", "n_vocab", "padded_vocab_size"),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
    "chosen": ("num_experts_per_tok", "num_experts_per_token", "moe_top_k", "top_k"),
    "expert_inner": ("moe_intermediate_size",),
}
"""What config.json may call each of them, the usual name first."""
UNGATED = frozenset(
    {"gpt2", "gpt_neo", "gpt_neox", "gptj", "opt", "bloom", "falcon", "phi", "mpt", "codegen", "bigcode"}
)
"""Model types whose feed-forward block is two linear layers."""
FUSED = frozenset({"phi3", "phi4_multimodal", "glm", "glm4"})
"""Model types whose gate and up projections are one linear layer."""
FUSED_QKV = frozenset({"phi3", "phi4_multimodal", "gpt_neox", "falcon", "bloom", "mpt", "gpt2"})
"""Model types whose query, key and value projections are one linear layer."""


MOST = 200_000
"""Experts of all layers, or layers, beyond which config.json is taken for damaged."""
FOUR_NORMS = ("gemma2", "gemma3")
HEAD_NORMS = ("qwen3", "gemma3")
"""How the names of model types with norms around both halves of a layer, or on the heads, begin."""


@dataclass(frozen=True)
class Dimensions:
    """Elements a token, unless said."""

    family: str
    hidden: int
    layers: int
    """Number of layers."""
    query: int
    """All query heads together."""
    key: int
    """All key heads together; as wide for the values."""
    inner: int
    """The feed-forward block of a layer: of all experts that one token visits."""
    vocabulary: int
    """Number of tokens known."""
    heads: int
    """Number of query heads."""
    experts: int
    """Number of experts in a layer; 0: none."""
    chosen: int
    """Experts that one token visits; 1 where there are none."""
    expert_inner: int
    shared_inner: int
    gated: bool
    fused: bool
    """Whether gate and up come out of one linear layer."""
    fused_qkv: bool
    norms: int
    """Norms of a layer."""
    head_norms: bool
    """Whether queries and keys are normed as well."""
    eager: bool
    """Whether the attention matrix is there in any case, because its values are capped."""
    gelu_in_steps: bool
    window: int | None
    """Tokens that a sliding layer looks back on."""
    sliding: int
    """Number of layers with a sliding window."""

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Dimensions:
        """Raises ValueError, naming the key, where config.json does not give a width that nothing else gives."""
        family = str(config.get("model_type", ""))
        hidden, layers = _needed(config, "hidden"), _needed(config, "layers")
        heads = _first(config, "heads") or max(1, hidden // 64)
        head = _positive(config.get("head_dim")) or (256 if family.startswith("gemma") else hidden // heads)
        keys = _first(config, "key_heads") or (1 if config.get("multi_query") else heads)
        wide = _first(config, "inner") or 4 * hidden
        experts = _first(config, "experts") or 0
        if layers * max(1, experts) > MOST:
            raise ValueError(f"config.json gives {layers} layers of {experts} experts, which no model has")
        chosen = (_first(config, "chosen") or 2) if experts else 1
        narrow = _first(config, "expert_inner") or wide
        shared = _positive(config.get("shared_expert_intermediate_size")) or 0
        shared += narrow * (_positive(config.get("n_shared_experts")) or 0)
        window, sliding = _sliding(config, layers)
        return cls(
            family=family,
            hidden=hidden,
            layers=layers,
            query=heads * head,
            key=keys * head,
            inner=chosen * narrow + shared if experts else wide,
            vocabulary=_needed(config, "vocabulary"),
            heads=heads,
            experts=experts,
            chosen=chosen,
            expert_inner=narrow,
            shared_inner=shared,
            gated=family not in UNGATED,
            fused=family in FUSED,
            fused_qkv=family in FUSED_QKV,
            norms=4 if family.startswith(FOUR_NORMS) else 2,
            head_norms=family.startswith(HEAD_NORMS),
            eager=bool(config.get("attn_logit_softcapping", family == "gemma2")),
            gelu_in_steps=config.get("hidden_act", config.get("activation_function", "")) in ("gelu_new", "gelu_fast")
            or (family == "phi" and "hidden_act" not in config),
            window=window,
            sliding=sliding,
        )


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of config.json that describes the language model: all of it, or `text_config` of one that also sees."""
    inner = config.get("text_config")
    if isinstance(inner, Mapping) and not any(name in config for name in NAMES["hidden"]):
        return {
            **inner,
            "tie_word_embeddings": inner.get("tie_word_embeddings", config.get("tie_word_embeddings", True)),
        }
    return config


def _sliding(config: Mapping[str, Any], layers: int) -> tuple[int | None, int]:
    window = _positive(config.get("sliding_window"))
    if window is None or config.get("use_sliding_window") is False:
        return None, 0
    kinds = config.get("layer_types")
    if isinstance(kinds, list):
        return window, sum(kind == "sliding_attention" for kind in kinds)
    family = str(config.get("model_type", ""))
    every = _positive(config.get("sliding_window_pattern")) or {"gemma2": 2, "gemma3_text": 6, "cohere2": 4}.get(
        family, 0
    )
    return window, layers - layers // every if every else layers


def _needed(config: Mapping[str, Any], name: str) -> int:
    found = _first(config, name)
    if found is None:
        raise ValueError(f"config.json gives no {NAMES[name][0]} (nor {', '.join(NAMES[name][1:])})")
    return found


def _first(config: Mapping[str, Any], name: str) -> int | None:
    return next((value for key in NAMES[name] if (value := _positive(config.get(key)))), None)


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
