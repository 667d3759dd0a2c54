"""The RoPE factor lists in config.json are not as long as half the rotary dimension of a head.

Why it matters: `short_factor` and `long_factor` scale one frequency each.  transformers refuses Phi-3 models whose
lists have another length (`short_factor field must have length 48, got 64`); other classes warn and fail at the first
forward pass, where the factors do not broadcast.

What to do: take the lists of the model whose head dimension this one has; they cannot be stretched.

Reference: https://huggingface.co/docs/transformers/internal/rope_utils
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from doctor.model import Facts, Finding, Location, ModelFacts, Remedy, Severity, check

LISTS = ("short_factor", "long_factor")


def _facts(length: int, key: str = "rope_scaling", **config: Any) -> Facts:
    rope = {"type": "longrope", "short_factor": [1.0] * length, "long_factor": [1.1] * length}
    shape = {"hidden_size": 3072, "num_attention_heads": 32}
    return Facts(models=(ModelFacts("/models/phi3", {**shape, key: rope, **config}),))


@check(
    "model",
    Severity.ERROR,
    passes=[
        _facts(48),
        _facts(32, head_dim=64),
        _facts(36, partial_rotary_factor=0.75),
        Facts(models=(ModelFacts("/models/phi3", {"rope_scaling": None, "hidden_size": 3072}),)),
        Facts(models=(ModelFacts("/models/odd", {"rope_scaling": {"short_factor": [1.0]}}),)),
    ],
    fails=[_facts(64), _facts(48, "rope_parameters", partial_rotary_factor=0.75), _facts(48, head_dim=128)],
)
def rope_factors_wrong_length(facts: Facts) -> Iterator[Finding]:
    """Compare the lists with the head dimension that the config gives."""
    for model in facts.models:
        for config in (model.config, model.config.get("text_config")):
            if isinstance(config, Mapping):
                yield from _wrong(model, config)


def _wrong(model: ModelFacts, config: Mapping[str, Any]) -> Iterator[Finding]:
    rope = config.get("rope_parameters") or config.get("rope_scaling")
    size, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if not isinstance(rope, Mapping) or not isinstance(size, int) or not isinstance(heads, int) or not heads:
        return
    head = config.get("head_dim") or size // heads
    share = rope.get("partial_rotary_factor", config.get("partial_rotary_factor")) or 1.0
    if not isinstance(head, int) or not isinstance(share, int | float):
        return
    wanted = int(head * share) // 2
    wrong = {name: len(rope[name]) for name in LISTS if isinstance(rope.get(name), list) and len(rope[name]) != wanted}
    if wrong:
        found = " and ".join(f"{name} has {length}" for name, length in wrong.items())
        yield Finding(
            f"{found} entries; a head of {head} dimensions, {int(head * share)} of them rotary, needs {wanted}",
            Remedy("advice", f"take factor lists of {wanted} entries, those of a model with the same head dimension"),
            Location(os.path.join(model.path, "config.json")),  # noqa: PTH118
        )
