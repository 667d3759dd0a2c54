"""config.json and tokenizer_config.json in both spellings, so that transformers 4 and 5 read the same model.

transformers 5 writes `rope_parameters` and `dtype`, which 4 ignores in favour of its defaults: another base of the
rotary embedding, silently.  4 knows no `TokenizersBackend`, and 4 and 5 name extra special tokens differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN = ("default", None)
"""Kinds of RoPE that transformers 4 writes as no scaling."""
INSIDE = ("rope_theta", "partial_rotary_factor")
"""What transformers 5 keeps inside `rope_parameters`, and 4 beside it."""
FACTORS = ("short_factor", "long_factor")
LONG = {*FACTORS, "rope_type", "type", "factor", "original_max_position_embeddings"}
"""What says nothing that the factors and the two lengths of the context do not."""
NESTED = ("text_config", "llm_config", "language_config")


def config(found: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """config.json for every release, with some keys changed.

    >>> config({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}, "dtype": "bfloat16"})["rope_theta"]
    500000.0
    """
    made = {**found, **changes}
    made.pop("_name_or_path", None)
    made.pop("transformers_version", None)  # none in particular: it is written for all of them
    kind = made.get("dtype") or made.get("torch_dtype")
    if kind:
        made["dtype"] = made["torch_dtype"] = str(kind).removeprefix("torch.")
    made |= _rope(made)
    for name in NESTED:
        if isinstance(made.get(name), Mapping):
            made[name] = config(made[name])
    return made


def _rope(found: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of either spelling that are missing."""
    new = found.get("rope_parameters")
    if not isinstance(new, Mapping):
        return _newer(found)
    if all(isinstance(part, Mapping) for part in new.values()) and new:
        return _by_layer(found, new)
    older = {key: new[key] for key in INSIDE if new.get(key) is not None}
    scaling = {key: value for key, value in new.items() if key not in INSIDE}
    kind = scaling.get("rope_type", scaling.get("type"))
    return {**older, **_scaling(scaling, str(kind))} if kind not in PLAIN else {**older, "rope_scaling": None}


def _scaling(found: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """`rope_scaling`, and what has to stand beside it."""
    if kind != "longrope" or not set(found) <= LONG:
        # `type` is what code written before 4.43 reads; both may stand there.
        return {"rope_scaling": {**found, "rope_type": kind, "type": kind}}
    # Phi-3's configuration of transformers 4 counts these fields, and has the context's length beside them.
    context = "original_max_position_embeddings"
    beside = {context: found[context]} if found.get(context) else {}
    return {"rope_scaling": {"type": kind, **{key: found[key] for key in FACTORS}}, **beside}


def _newer(found: Mapping[str, Any]) -> dict[str, Any]:
    """`rope_parameters` of a configuration that has only the older keys."""
    theta, scaling = found.get("rope_theta"), found.get("rope_scaling")
    if theta is None or (scaling is not None and not isinstance(scaling, Mapping)) or "rope_local_base_freq" in found:
        return {}
    scaling = dict(scaling or {})
    kind = scaling.pop("type", None)
    kind = scaling.pop("rope_type", kind) or "default"
    kind = "longrope" if kind == "su" else kind
    inside = {key: found[key] for key in INSIDE if found.get(key) is not None}
    made: dict[str, Any] = {"rope_parameters": {"rope_type": kind, **scaling, **inside}}
    return {**made, **_scaling(scaling, kind)} if scaling else made


def _by_layer(found: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The older keys of a model whose sliding layers have a base of their own (Gemma 3)."""
    full, sliding = new.get("full_attention", {}), new.get("sliding_attention", {})
    older: dict[str, Any] = {}
    if full.get("rope_theta") is not None:
        older["rope_theta"] = full["rope_theta"]
    if sliding.get("rope_theta") is not None:
        older["rope_local_base_freq"] = sliding["rope_theta"]
    return older


def tokenizer_config(found: Mapping[str, Any], template: str | None) -> dict[str, Any]:
    """tokenizer_config.json for every release: the class that reads tokenizer.json as it is, the template inside."""
    made = {**found, "tokenizer_class": "PreTrainedTokenizerFast"}
    for key in ("auto_map", "backend", "is_local", "local_files_only", "tokenizer_file", "name_or_path"):
        made.pop(key, None)
    if template:
        made["chat_template"] = template
    extra = made.get("extra_special_tokens")
    if isinstance(extra, list):  # transformers 4 takes a mapping there, and a list under the older name
        made.pop("extra_special_tokens")
        made["additional_special_tokens"] = extra
    return made
