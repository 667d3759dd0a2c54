"""Everything that one `doctor export` writes, into one folder: the merged model, GGUF files, a Modelfile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from doctor.settings import UsageError
from doctor.trainer.export import gguf_file, modelfile, tokenizer, turns
from doctor.trainer.export.merge import merge, written
from doctor.trainer.export.source import Source, read_object

ORIGIN = "export.json"
"""What a merged folder was made of."""


def merged(source: Source, folder: Path, force: bool) -> bool:
    """Write the merged model; False where the folder holds just that already."""
    origin = _origin(source)
    if not force and (folder / ORIGIN).is_file() and read_object(folder / ORIGIN) == origin:
        return False

    def make(unfinished: Path) -> None:
        merge(source, unfinished)
        (unfinished / ORIGIN).write_text(json.dumps(origin, indent=2) + "\n", "utf-8")

    written(folder, make, force)
    return True


def gguf(model: Path, folder: Path, form: str, name: str, force: bool) -> Path:
    """Write one GGUF of a model folder; its path."""
    path = folder / f"{name}-{form}.gguf"
    with _replaced(path, force) as unfinished:
        gguf_file.write(model, unfinished, form, name)
    return path


def ollama(model: Path, file: Path, system: str, force: bool) -> tuple[Path, bool]:
    """Write the Modelfile of a GGUF beside it; its path, and whether the model can be given a system prompt.

    Raises UsageError where the chat template cannot be said in Ollama's language.
    """
    path = file.with_name("Modelfile")
    words = tokenizer.read(model)
    if words.template is None:
        raise UsageError(f"{model} has no chat template, which an Ollama model needs")
    found = turns.learn(words.template)
    if system and not found.system:
        raise UsageError("the model's chat template takes no system prompt, and the run was trained with one")
    stops = (words.turn_end, words.special.get("eos_token", ""))
    with _replaced(path, force) as unfinished:
        begins = words.special["bos_token"] if words.begins else ""
        unfinished.write_text(modelfile.render(file.name, found, begins, stops, system), "utf-8")
    return path, found.system


def names(forms: Sequence[str], wanted: bool) -> list[str]:
    """The kinds of GGUF to write: 8 bits where only a Modelfile is asked for."""
    return list(dict.fromkeys(forms)) or (["q8_0"] if wanted else [])


def _origin(source: Source) -> dict[str, str]:
    digest = hashlib.sha256()
    if source.adapter:
        with (source.adapter / "adapter_model.safetensors").open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    return {"base": str(source.base.resolve()), "adapter": digest.hexdigest()}


@contextmanager
def _replaced(path: Path, force: bool) -> Iterator[Path]:
    """A path to write to, moved to its place when it is whole."""
    if path.exists() and not force:
        raise UsageError(f"{path} exists; --force replaces it, --output names another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
