"""What a release saved is read by every other."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from doctor.trainer.export import saved

CONFIG, SETTINGS = "config.json", "tokenizer_config.json"


def changed(file: Path, **keys: Any) -> None:
    """Other values for some keys; None takes one out."""
    told = {**json.loads(file.read_text("utf-8")), **keys}
    file.write_text(json.dumps({key: value for key, value in told.items() if value is not None}), "utf-8")


@pytest.fixture
def made(tiny: ModuleType, tmp_path: Path) -> Path:
    """A model folder as transformers 5 saves it."""
    tiny.write_config(tmp_path)
    tiny.write_tokenizer(tmp_path)
    changed(tmp_path / CONFIG, rope_theta=None, torch_dtype=None, rope_parameters={"rope_theta": 5e5})
    changed(tmp_path / SETTINGS, tokenizer_class="TokenizersBackend", extra_special_tokens=["<|im_end|>"])
    return tmp_path


def test_both_spellings_and_a_class_that_both_know(made: Path) -> None:
    words = (made / "tokenizer.json").read_bytes()
    saved.rewrite(made)
    config, settings = (json.loads((made / name).read_text("utf-8")) for name in (CONFIG, SETTINGS))
    assert (config["rope_theta"], config["rope_parameters"]["rope_theta"]) == (5e5, 5e5)
    assert config["torch_dtype"] == config["dtype"] == "float32"
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert settings["additional_special_tokens"] == ["<|im_end|>"]
    assert "<|im_start|>" in settings["chat_template"]
    assert (made / "tokenizer.json").read_bytes() == words


def test_code_of_its_own_is_left_alone(made: Path) -> None:
    changed(made / SETTINGS, auto_map={"AutoTokenizer": [None, "mine.T"]})
    before = (made / SETTINGS).read_bytes()
    saved.rewrite(made)
    assert (made / SETTINGS).read_bytes() == before


def test_an_adapter_has_no_configuration(made: Path) -> None:
    (made / CONFIG).unlink()
    saved.rewrite(made)
    assert not (made / CONFIG).exists()
