"""A mixture of experts is quantised, and its experts are not.

Why it matters: transformers 5 keeps the experts of a layer in one tensor, and bitsandbytes quantises linear layers
only.  A "4-bit" load keeps more than nine tenths of such a model in 16 bits, without a word: Mixtral 8x7B takes 84 GiB
instead of 23.  Adapters by `target_modules="all-linear"` leave the experts out as well.

What to do: quantise with transformers 4.57, where each expert is a linear layer, or load a checkpoint whose experts are
quantised already.

Reference: https://github.com/bitsandbytes-foundation/bitsandbytes/issues/1849
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from doctor.model import Facts, Finding, Location, ModelFacts, Package, Remedy, Severity, check
from doctor.size import gib

MIXTRAL: Mapping[str, Any] = {
    "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "num_local_experts": 8,
    "num_experts_per_tok": 2,
}  # fmt: skip
DENSE = {key: value for key, value in MIXTRAL.items() if "experts" not in key} | {"model_type": "mistral"}


def _facts(config: Mapping[str, Any], version: str = "5.23.0", *packages: str) -> Facts:
    held = {name: Package(name, "0.50.2") for name in packages} | {"transformers": Package("transformers", version)}
    return Facts(packages=held, models=(ModelFacts("/models/mixtral", config),))


@check(
    "gpu",
    Severity.WARNING,
    passes=[
        _facts(MIXTRAL, "4.57.6", "bitsandbytes"),
        _facts(MIXTRAL, "5.23.0"),
        _facts(DENSE, "5.23.0", "bitsandbytes"),
        _facts({**MIXTRAL, "auto_map": {"AutoModelForCausalLM": "modeling_own.Own"}}, "5.23.0", "bitsandbytes"),
        _facts({**MIXTRAL, "quantization_config": {"quant_method": "awq"}}, "5.23.0", "bitsandbytes"),
    ],
    fails=[_facts(MIXTRAL, "5.0.0", "bitsandbytes"), _facts(MIXTRAL, "5.23.0", "bitsandbytes")],
)
def experts_not_quantised(facts: Facts) -> Iterator[Finding]:
    """Look for experts that this release keeps in one tensor, where bitsandbytes is there to quantise."""
    if "bitsandbytes" not in facts.packages or facts.transformers.major < 5:
        return
    for model in facts.models:
        if any("expert" in key for key in model.config):
            yield from _experts(model, facts)


def _experts(model: ModelFacts, facts: Facts) -> Iterator[Finding]:
    from packaging.version import Version

    from doctor.memory.shape import shape_of
    from doctor.memory.storage import fuses_experts, total

    try:
        shape = shape_of(model)
    except ValueError:
        return
    experts = sum(weight.numel for weight in shape.of("expert"))
    release = facts.transformers
    if not experts or shape.quantised or not fuses_experts(shape, release):
        return
    now, then = (gib(total(shape, "nf4-double", each)) for each in (release, Version("4.57.6")))
    yield Finding(
        f"{experts / 1e9:.1f} of {shape.parameters / 1e9:.1f} billion parameters are experts, which transformers "
        f"{release} keeps in 16 bits under bitsandbytes: in 4 bits the model takes {now}, on 4.57.6 {then}",
        Remedy(
            "command",
            "run `pip install 'transformers<5'`, or load a checkpoint whose experts are quantised already",
            "pip install 'transformers<5'",
        ),
        Location(os.path.join(model.path, "config.json")),  # noqa: PTH118
    )
