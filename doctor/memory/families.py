"""The weights of a model of which only config.json is there: name and shape, as its checkpoint has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from doctor.memory.dimensions import Dimensions

Named = Iterator[tuple[str, tuple[int, ...]]]

TIED = frozenset(
    {"gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "cohere", "cohere2", "bloom", "falcon", "opt", "mpt"}
)
"""Model types whose head is the embedding unless config.json says otherwise."""
KNOWN = frozenset(
    {
        "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "olmoe", "smollm3",
        "gemma", "gemma2", "gemma3_text", "phi", "phi3",
    }
)  # fmt: skip
"""Model types whose weights and activations are known without their headers."""


def weights(config: Mapping[str, Any], of: Dimensions) -> Named:
    """Every weight but the head."""
    yield "model.embed_tokens.weight", (of.vocabulary, of.hidden)
    for layer in range(of.layers):
        place = f"model.layers.{layer}"
        yield from _attention(f"{place}.self_attn", config, of)
        yield from _experts(place, of) if of.experts else _feed_forward(f"{place}.mlp", of)
        for norm in range(of.norms):
            yield f"{place}.norm_{norm}.weight", (of.hidden,)
    yield "model.norm.weight", (of.hidden,)


def _attention(place: str, config: Mapping[str, Any], of: Dimensions) -> Named:
    if of.fused_qkv:
        yield f"{place}.qkv_proj.weight", (of.query + 2 * of.key, of.hidden)
    else:
        for name, width in (("q", of.query), ("k", of.key), ("v", of.key)):
            yield f"{place}.{name}_proj.weight", (width, of.hidden)
            if of.family.startswith("qwen2") or of.family == "phi" or config.get("attention_bias") is True:
                yield f"{place}.{name}_proj.bias", (width,)
    yield f"{place}.o_proj.weight", (of.hidden, of.query)
    if of.head_norms:
        for name in ("q_norm", "k_norm"):
            yield f"{place}.{name}.weight", (of.query // of.heads,)


def _feed_forward(place: str, of: Dimensions, inner: int | None = None) -> Named:
    width = inner or of.inner
    if not of.gated:
        yield f"{place}.fc1.weight", (width, of.hidden)
        yield f"{place}.fc2.weight", (of.hidden, width)
        return
    if of.fused:
        yield f"{place}.gate_up_proj.weight", (2 * width, of.hidden)
    else:
        yield f"{place}.gate_proj.weight", (width, of.hidden)
        yield f"{place}.up_proj.weight", (width, of.hidden)
    yield f"{place}.down_proj.weight", (of.hidden, width)


def _experts(place: str, of: Dimensions) -> Named:
    yield f"{place}.mlp.gate.weight", (of.experts, of.hidden)
    for expert in range(of.experts):
        yield from _feed_forward(f"{place}.mlp.experts.{expert}", of, of.expert_inner)
    if of.shared_inner:
        yield from _feed_forward(f"{place}.mlp.shared_expert", of, of.shared_inner)
