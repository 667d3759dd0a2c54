"""What `doctor export` is given: a run, an adapter folder of peft, or a model folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doctor.settings import UsageError
from doctor.trainer.run_folder import RunFolder

QUANTISED = "quantization_config"


@dataclass(frozen=True)
class Source:
    """The folders that a model is made of."""

    name: str
    base: Path
    """The model folder, whose weights the adapter changes."""
    adapter: Path | None
    """None where there is nothing to merge."""
    tokenizer: Path
    system: str = ""
    """The system prompt that it was trained with, where all its rows have the same by configuration."""


def find(folder: Path, base: str | None, resolve: Callable[[str], Path]) -> Source:
    """The parts of a run, an adapter folder or a model folder.

    `base` names the base model where it is not what the adapter says; `resolve` finds the folder of a hub id.  Raises
    UsageError where a part is missing.
    """
    run = RunFolder(folder)
    system = _system(run)
    name = folder.resolve().name
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name a run, an adapter folder or a model folder")
    for adapter in (folder, run.adapter):
        if (adapter / "adapter_config.json").is_file():
            model = _base(adapter, base, folder, resolve)
            tokenizer = next((at for at in (adapter, folder, model) if (at / "tokenizer.json").is_file()), model)
            return Source(name, model, adapter, tokenizer, system)
    for model in (folder, run.model):
        if (model / "config.json").is_file():
            return Source(name, _whole(model), None, model, system)
    raise UsageError(
        f"{folder} is neither a run (adapter/), nor an adapter (adapter_config.json), nor a model (config.json)"
    )


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object of a model folder; raises UsageError where there is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no JSON object")
    return found


def _base(adapter: Path, base: str | None, folder: Path, resolve: Callable[[str], Path]) -> Path:
    named = base or read_object(adapter / "adapter_config.json").get("base_model_name_or_path")
    if not named:
        raise UsageError(f"{adapter} does not say which model it is for; name it with --base")
    at = next((path for path in (Path(named).expanduser(), folder / named) if path.is_dir()), None)
    return _whole(at or resolve(str(named)))


def _whole(model: Path) -> Path:
    """The folder, unless its weights are stored in fewer bits than can be merged or converted."""
    quantised = read_object(model / "config.json").get(QUANTISED)
    if quantised:
        method = quantised.get("quant_method", "another form") if isinstance(quantised, dict) else "another form"
        raise UsageError(f"{model} stores its weights quantised ({method}); name the same model in 16 bits with --base")
    return model


def _system(run: RunFolder) -> str:
    """`data.system` of the run's configuration."""
    if not run.config.is_file():
        return ""
    import yaml

    try:
        found = yaml.safe_load(run.config.read_text("utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{run.config} cannot be read: {error}") from error
    data = found.get("data") if isinstance(found, dict) else None
    system = data.get("system") if isinstance(data, dict) else None
    return system if isinstance(system, str) else ""
