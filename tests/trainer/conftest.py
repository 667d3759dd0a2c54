"""A tokenizer as transformers hands one over, without transformers; a tiny model's folder without weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from doctor.chat.mask import tokenizer
from doctor.trainer.config import Config, read_config


class Shim:
    """What the trainer asks of a fast tokenizer, answered by `tokenizers` itself."""

    eos_token, bos_token, pad_token = "<|im_end|>", "<|im_start|>", "<|endoftext|>"

    def __init__(self, folder: Path, template: str | None) -> None:
        self.made, self.chat_template = tokenizer(str(folder / "tokenizer.json")), template

    def get_added_vocab(self) -> dict[str, int]:
        return {token: n for n, token in enumerate((self.pad_token, self.bos_token, self.eos_token))}

    def __call__(self, text: str, add_special_tokens: bool, truncation: bool, verbose: bool) -> list[Any]:
        return [self.made.encode(text, add_special_tokens=add_special_tokens)]

    def decode(self, ids: list[int]) -> str:
        return str(self.made.decode(ids, skip_special_tokens=False))


@pytest.fixture(scope="session")
def folder(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's config.json and tokenizer."""
    made = tmp_path_factory.mktemp("model") / "tiny"
    tiny.write_tokenizer(made)
    tiny.write_config(made)
    return made


@pytest.fixture
def shim(folder: Path, tiny: ModuleType) -> Shim:
    return Shim(folder, tiny.CHATML)


@pytest.fixture
def configured(folder: Path, tiny: ModuleType, tmp_path: Path) -> Callable[..., Config]:
    """A configuration for some of the tiny conversations."""

    def make(count: int = 20, **keys: Any) -> Config:
        rows = tiny.write_rows(tmp_path / "rows.jsonl", count)
        file = tmp_path / "train.yaml"
        file.write_text(yaml.safe_dump({"model": str(folder), "data": {"path": str(rows)}, **keys}), "utf-8")
        return read_config(file)

    return make
