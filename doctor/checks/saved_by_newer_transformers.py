"""A model folder written by transformers 5 is read by transformers 4.

Why it matters: transformers 5 writes one `rope_parameters` block in place of `rope_theta` and `rope_scaling`.
transformers 4 ignores it, takes the class's default base (10000) and no scaling, and computes wrong numbers without
an error.  The tokenizer class `TokenizersBackend` is unknown to it: `Tokenizer class TokenizersBackend does not exist`.

What to do: write both spellings, which every release reads: `rope_theta` and `rope_scaling` beside `rope_parameters`,
`torch_dtype` beside `dtype`, and `tokenizer_class: PreTrainedTokenizerFast`.

Reference: https://github.com/huggingface/transformers/issues/47553
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from doctor.model import Facts, Finding, Location, ModelFacts, Package, Remedy, Severity, Source, check

BACKENDS = (
    "TokenizersBackend",
    "TokenizersBackendFast",
    "PythonBackend",
    "SentencePieceBackend",
    "MistralCommonBackend",
)
OLD = {"transformers": Package("transformers", "4.57.6")}
NEW = {"transformers": Package("transformers", "5.23.0")}
ROPE = {"rope_type": "default", "rope_theta": 500000.0}


AUTO_MAP = {"AutoModelForCausalLM": "modeling_own.Own"}
READS = Source("/models/mine/modeling_own.py", "remote-code", "rope = config.rope_parameters", model="/models/mine")


def _facts(packages: dict[str, Package], config: dict[str, Any], *sources: Source, **tokenizer: Any) -> Facts:
    return Facts(packages=packages, models=(ModelFacts("/models/mine", config, tokenizer),), sources=sources)


@check(
    "model",
    Severity.ERROR,
    passes=[
        _facts(NEW, {"rope_parameters": ROPE}, tokenizer_class="TokenizersBackend"),
        _facts(OLD, {"rope_parameters": ROPE, "rope_theta": 500000.0}, tokenizer_class="PreTrainedTokenizerFast"),
        _facts(OLD, {"rope_theta": 500000.0, "rope_scaling": None}),
        _facts(OLD, {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}),
        _facts(OLD, {"rope_parameters": ROPE, "auto_map": AUTO_MAP}, READS),
    ],
    fails=[
        _facts(OLD, {"rope_parameters": ROPE}),
        _facts(OLD, {"rope_parameters": ROPE, "auto_map": AUTO_MAP}),
        _facts(OLD, {"rope_parameters": {"rope_type": "longrope", "rope_theta": 10000.0}, "rope_theta": 10000.0}),
        _facts(OLD, {}, tokenizer_class="TokenizersBackend"),
    ],
)
def saved_by_newer_transformers(facts: Facts) -> Iterator[Finding]:
    """Look for keys that only transformers 5 reads, without the older ones beside them."""
    if facts.transformers.major >= 5:
        return
    for model in facts.models:
        yield from _rope(facts, model)
        name = model.tokenizer.get("tokenizer_class")
        if name in BACKENDS:
            yield Finding(
                f"tokenizer_class is {name}, which transformers {facts.transformers} does not have",
                _config("tokenizer_class", "PreTrainedTokenizerFast", "tokenizer_config.json"),
                Location(os.path.join(model.path, "tokenizer_config.json")),  # noqa: PTH118
            )


def _rope(facts: Facts, model: ModelFacts) -> Iterator[Finding]:
    rope = model.config.get("rope_parameters")
    if not isinstance(rope, dict) or _own_code_reads_it(facts, model):
        return
    where = Location(os.path.join(model.path, "config.json"))  # noqa: PTH118
    theta, kind = rope.get("rope_theta"), rope.get("rope_type", "default")
    if theta not in (None, 10000, model.config.get("rope_theta")):
        yield Finding(
            f"rope_theta is {theta} in rope_parameters only; transformers {facts.transformers} does not read it there "
            "and takes the default of the model's class",
            _config("rope_theta", theta, "config.json"),
            where,
        )
    if kind != "default" and not model.config.get("rope_scaling"):
        scaling = {key: value for key, value in rope.items() if key != "rope_theta"} | {"type": kind}
        yield Finding(
            f"{kind} scaling is in rope_parameters only; transformers {facts.transformers} does not read it there "
            "and scales nothing",
            _config("rope_scaling", scaling, "config.json"),
            where,
        )


def _own_code_reads_it(facts: Facts, model: ModelFacts) -> bool:
    """Whether the model brings code that looks into rope_parameters itself, on every release."""
    own = (source for source in facts.sources if source.model == model.path and source.kind == "remote-code")
    return bool(model.config.get("auto_map")) and any("rope_parameters" in (source.text or "") for source in own)


def _config(key: str, value: Any, file: str) -> Remedy:
    line = f"{json.dumps(key)}: {json.dumps(value)}"
    return Remedy("config", f"write `{line}` into {file}, which transformers 5 reads as well", line)
