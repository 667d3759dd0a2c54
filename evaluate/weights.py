"""What a folder of weights is (a run of `doctor train`, an adapter, a model), loaded as the trainer loads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from doctor.chat.mask import Encoding
from doctor.evaluate.config import Config
from doctor.evaluate.extras import needed
from doctor.evaluate.reading import yaml
from doctor.settings import UsageError

SMALL = 1_000_000
"""Bytes up to which a file is named by its content, not by its size and time."""


@dataclass(frozen=True)
class Weights:
    """A model and its tokenizer."""

    model: Any
    tokenizer: Any
    name: str
    told: str
    """What loaded it, in words: releases, device, type."""
    content: str
    """Names all that its answers depend on."""

    @cached_property
    def template(self) -> str | None:
        """The chat template for a conversation without tools."""
        own = self.tokenizer.chat_template
        return own.get("default") if isinstance(own, dict) else own

    @cached_property
    def tokens(self) -> dict[str, str]:
        """The special tokens by name."""
        return {name: token for name, token in self.tokenizer.special_tokens_map.items() if isinstance(token, str)}

    @cached_property
    def limit(self) -> int:
        """Positions the model has; 0 where its configuration names no number."""
        told = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return told if isinstance(told, int) else 0

    def encoding(self, text: str) -> Encoding:
        """A text as tokens; control tokens in it are control tokens, and nothing is added."""
        return self.tokenizer(text, add_special_tokens=False).encodings[0]  # type: ignore[no-any-return]

    def encode(self, text: str) -> list[int]:
        """A text as token ids."""
        return list(self.encoding(text).ids)

    def decode(self, ids: list[int]) -> str:
        """An answer's text; control tokens within it are seen."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text


def load(config: Config) -> Weights:
    """Load the configuration's folder; raises UsageError where it holds nothing that could be loaded."""
    for name in ("torch", "transformers"):
        needed(name, "train")
    from doctor.trainer.model import quieten

    quieten()
    needed("peft", "train")
    path = Path(config.model).expanduser()
    if (path / "adapter_config.json").is_file():
        model, tokenizer, sources = _adapter(path, config)
    elif (path / "config.json").is_file():
        model, tokenizer, sources = _model(path, config)
    elif (path / "config.yaml").is_file():
        model, tokenizer, sources = _run(path, config)
    else:
        raise UsageError(
            f"{config.path}: 'model' is the folder {path}, which holds neither config.yaml (a run of `doctor train`), "
            "nor adapter_config.json (an adapter), nor config.json (a model)"
        )
    if config.load.merge:
        model = _merged(model, config)
    return _told(model, tokenizer, path, sources, config)


def _run(path: Path, config: Config) -> tuple[Any, Any, list[Path]]:
    from doctor.trainer.model import load_run
    from doctor.trainer.run_folder import RunFolder

    load = config.load
    said = yaml(RunFolder(path).config, "the run's configuration")
    if not isinstance(said, dict) or not {"model", "method"} <= set(said):
        raise UsageError(f"{RunFolder(path).config} is not what `doctor train` writes: it names no model and method")
    if load.quant or load.dtype != "auto":
        raise UsageError(
            f"{config.path}: a run is loaded as it was trained; for another 'quant' or 'dtype' name its adapter: "
            f"`model: {path / 'adapter'}`"
        )
    model, tokenizer = load_run(path, load.device)
    kept = RunFolder(path).adapter
    return model, tokenizer, [kept if kept.is_dir() else RunFolder(path).model, *_base(kept)]


def _adapter(path: Path, config: Config) -> tuple[Any, Any, list[Path]]:
    from doctor.trainer.model import load_model, load_tokenizer

    load = config.load
    base = json.loads((path / "adapter_config.json").read_text("utf-8")).get("base_model_name_or_path")
    if not base:
        raise UsageError(f"{path / 'adapter_config.json'} names no 'base_model_name_or_path': write the model's folder")
    trusted = load.trust_remote_code
    quant: Any = load.quant or "none"
    model = load_model(base, quant, load.device, load.dtype, path, trust_remote_code=trusted)
    own = (path / "tokenizer_config.json").exists()
    tokenizer = load_tokenizer(str(path) if own else base, trust_remote_code=trusted)
    return model, tokenizer, [path, *_base(path)]


def _model(path: Path, config: Config) -> tuple[Any, Any, list[Path]]:
    from doctor.trainer.model import load_model, load_tokenizer

    load = config.load
    quant: Any = load.quant or "none"
    model = load_model(str(path), quant, load.device, load.dtype, trust_remote_code=load.trust_remote_code)
    return model, load_tokenizer(str(path), trust_remote_code=load.trust_remote_code), [path]


def _base(adapter: Path) -> list[Path]:
    """The folder of the model that an adapter belongs to, where it is one."""
    file = adapter / "adapter_config.json"
    base = json.loads(file.read_text("utf-8")).get("base_model_name_or_path") if file.exists() else None
    return [Path(base)] if base and Path(base).is_dir() else []


def _merged(model: Any, config: Config) -> Any:
    if not hasattr(model, "merge_and_unload"):
        raise UsageError(f"{config.path}: 'load' has 'merge', and {config.model} has no adapter to merge")
    if getattr(model, "is_quantized", False) or getattr(model.get_base_model(), "is_quantized", False):
        raise UsageError(f"{config.path}: 'load' has 'merge', which a quantised model rounds away; load it whole")
    return model.merge_and_unload().eval()


def _told(model: Any, tokenizer: Any, path: Path, sources: Iterable[Path], config: Config) -> Weights:
    import torch
    import transformers

    kind = ", ".join(filter(None, [model.device.type, str(model.dtype).removeprefix("torch."), _held(model)]))
    releases = f"transformers {transformers.__version__}, torch {torch.__version__}"
    named = [releases, kind, str(config.load.merge), *map(content, sources)]
    digest = hashlib.sha256("\n".join(named).encode()).hexdigest()
    return Weights(model, tokenizer, str(path), f"{releases} ({kind})", digest)


def _held(model: Any) -> str:
    """How quantised weights are held; empty where they are whole."""
    found = getattr(model.config, "quantization_config", None)
    if found is None:
        return ""
    told = found if isinstance(found, dict) else found.to_dict()
    if told.get("load_in_4bit"):
        return f"{told['bnb_4bit_quant_type']}{'-double' if told.get('bnb_4bit_use_double_quant') else ''}"
    return "int8" if told.get("load_in_8bit") else str(told.get("quant_method", "quantised"))


def content(folder: Path) -> str:
    """Names what a folder holds: small files by their bytes, weights by size and time."""
    found = []
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        facts = file.stat()
        held = hashlib.sha256(file.read_bytes()).hexdigest() if facts.st_size < SMALL else str(facts.st_mtime_ns)
        found.append(f"{file.name} {facts.st_size} {held}")
    return "\n".join([str(folder.resolve()), *found])
