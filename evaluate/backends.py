"""Which backend answers for a model: a server, llama.cpp for a GGUF file, transformers for a folder of weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from doctor.evaluate.config import Config
from doctor.evaluate.ledger import Ledger
from doctor.evaluate.model import Asked
from doctor.evaluate.server import Progress, address, ask
from doctor.settings import UsageError


def ask_model(config: Config, ledger: Ledger, progress: Progress) -> Asked:
    """The answers of the configuration's model, and how they were made; raises UsageError where nobody can be asked."""
    asked = _by_kind(config, ledger, progress)
    generate = config.generate
    settings = {
        "max_new_tokens": generate.max_new_tokens,
        "temperature": generate.temperature,
        "seeds": list(generate.seeds),
    }
    return replace(asked, settings={**asked.settings, **settings})


def _by_kind(config: Config, ledger: Ledger, progress: Progress) -> Asked:
    model = config.model
    if config.lm_eval.tasks and not Path(model).expanduser().is_dir():
        raise UsageError(f"{config.path}: 'lm_eval' needs a folder of weights as 'model', and it is {model!r}")
    if model.startswith(("http://", "https://")):
        return ask(config, ledger, progress, address(model))
    if model.endswith(".gguf"):
        from doctor.evaluate.gguf import ask_file

        return ask_file(config, ledger, progress)
    if Path(model).expanduser().is_dir():
        from doctor.evaluate.local import ask_folder

        return ask_folder(config, ledger, progress)
    raise UsageError(
        f"{config.path}: 'model' is {model!r}, neither a URL, nor a .gguf file, nor a folder that is here: name the "
        "run folder of `doctor train`, an adapter's or a model's folder, or the URL of a server, or score recorded "
        "answers with --answers FILE.jsonl"
    )
