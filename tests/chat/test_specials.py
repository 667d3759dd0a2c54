"""Special tokens and templates as transformers finds them."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version

from doctor.chat.specials import adds_bos, chat_template, chat_templates, special_tokens
from doctor.model import ModelFacts

BOS_FIRST = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}


def model(tokenizer: dict[str, Any], **fields: Any) -> ModelFacts:
    return ModelFacts("/m", tokenizer=tokenizer, **fields)


def test_tokens_come_from_the_config_then_the_map_then_the_class() -> None:
    found = special_tokens(
        model(
            {"tokenizer_class": "LlamaTokenizerFast", "eos_token": {"content": "<end>"}, "pad_token": None},
            special_tokens={"eos_token": "</s>", "pad_token": "<pad>", "unk_token": {"content": "<what>"}},
        )
    )
    assert found == {"bos_token": "<s>", "eos_token": "<end>", "unk_token": "<what>"}


def test_templates_by_name_and_by_file() -> None:
    listed = [{"name": "default", "template": "one"}, {"name": "tool_use", "template": "two"}]
    assert chat_templates(model({"chat_template": listed})) == {"default": "one", "tool_use": "two"}
    assert chat_template(model({"chat_template": "one"}, templates={"default": "file"})) == "file"
    assert chat_template(model({})) is None


@pytest.mark.parametrize(
    ("tokenizer", "processor", "release", "adds"),
    [
        ({}, BOS_FIRST, "5.23.0", True),
        ({}, {"type": "Sequence", "processors": [{"type": "ByteLevel"}, BOS_FIRST]}, "5.23.0", True),
        ({}, {"type": "ByteLevel"}, "5.23.0", False),
        ({"add_bos_token": False}, BOS_FIRST, "5.23.0", False),
        ({"add_bos_token": False}, BOS_FIRST, "4.57.6", True),
        ({"add_bos_token": True}, {}, "5.23.0", True),
        ({"tokenizer_class": "LlamaTokenizerFast"}, {}, "4.57.6", True),
        ({"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": False}, BOS_FIRST, "4.57.6", False),
    ],
)
def test_who_adds_bos(tokenizer: dict[str, Any], processor: dict[str, Any], release: str, adds: bool) -> None:
    assert adds_bos(model(tokenizer, post_processor=processor), Version(release)) is adds
