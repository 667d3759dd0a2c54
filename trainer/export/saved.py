"""What transformers saved, written once more so that every release reads it: see `portable`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doctor.trainer.export import portable, tokenizer
from doctor.trainer.export.source import read_object

UNKNOWN = "TokenizersBackend"
"""How the names begin of tokenizer classes that transformers 4 does not know."""


def rewrite(folder: Path) -> None:
    """Write the config.json and the tokenizer of a folder for every release, each where it is there."""
    config, settings = folder / "config.json", folder / "tokenizer_config.json"
    if config.is_file():
        told = portable.config(read_object(config))
        config.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if settings.is_file() and (folder / "tokenizer.json").is_file() and _newer(read_object(settings)):
        tokenizer.read(folder).write(folder)


def _newer(settings: Mapping[str, Any]) -> bool:
    own = "auto_map" in settings  # reads the files with code of its own
    unknown = str(settings.get("tokenizer_class", "")).startswith(UNKNOWN)
    return not own and (unknown or isinstance(settings.get("extra_special_tokens"), list))
