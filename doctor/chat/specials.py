"""The special tokens and chat templates of a model folder, as transformers finds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from doctor.model import ModelFacts

if TYPE_CHECKING:
    from packaging.version import Version

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
DEFAULTS = {
    "Llama": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    "CodeLlama": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    "Gemma": {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"},
    "GPT2": {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"},
    "Qwen2": {"eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
}
"""Tokens that a tokenizer class has where the files name none."""
REBUILDS = {"Llama": True, "CodeLlama": True, "Gemma": True, "Cohere": False, "GPTNeoX": False}
"""Classes that set up BOS and EOS anew in transformers 4, and whether they add BOS unless told."""


def special_tokens(model: ModelFacts) -> dict[str, str]:
    """`bos_token` and the like, as text: tokenizer_config.json, then special_tokens_map.json, then the class."""
    found = {}
    for name in NAMES:
        for place in (model.tokenizer, model.special_tokens, DEFAULTS.get(_class(model), {})):
            if name in place:
                if value := _text(place[name]):
                    found[name] = value
                break
    return found


def chat_template(model: ModelFacts) -> str | None:
    """The template for a conversation without tools: a file of its own, else tokenizer_config.json."""
    return chat_templates(model).get("default")


def chat_templates(model: ModelFacts) -> dict[str, str]:
    """Every chat template by name."""
    listed = model.tokenizer.get("chat_template")
    found: dict[str, str] = {}
    if isinstance(listed, str):
        found = {"default": listed}
    elif isinstance(listed, list):
        for entry in listed:
            if isinstance(entry, Mapping) and isinstance(entry.get("template"), str):
                found[str(entry.get("name"))] = entry["template"]
    return {**found, **model.templates}


def adds_bos(model: ModelFacts, transformers: Version) -> bool:
    """Whether the tokenizer puts BOS before a text by itself."""
    told = model.tokenizer.get("add_bos_token")
    rebuilds = transformers.major < 5 and _class(model) in REBUILDS
    if isinstance(told, bool) and (rebuilds or transformers.major >= 5):
        return told
    return REBUILDS[_class(model)] if rebuilds else _starts_with_token(model.post_processor)


def _starts_with_token(processor: Mapping[str, Any]) -> bool:
    """Whether a post-processor of tokenizer.json puts a special token first."""
    if processor.get("type") == "Sequence":
        return any(_starts_with_token(part) for part in processor.get("processors") or ())
    single = processor.get("single")
    return bool(isinstance(single, list) and single and isinstance(single[0], Mapping) and "SpecialToken" in single[0])


def _class(model: ModelFacts) -> str:
    name = model.tokenizer.get("tokenizer_class")
    return re.sub(r"Tokenizer(Fast)?$", "", name) if isinstance(name, str) else ""


def _text(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) and value else None
