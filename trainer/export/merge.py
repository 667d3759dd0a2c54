"""An adapter merged into its base, as a model folder that every release of transformers reads alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doctor.settings import UsageError
from doctor.trainer.export import portable, tokenizer, weights
from doctor.trainer.export.adapter import Adapter
from doctor.trainer.export.source import Source, read_object
from doctor.trainer.export.weights import Entry, Weights

if TYPE_CHECKING:
    from torch import Tensor

HEAD = "lm_head.weight"
EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")
"""How the names of input embeddings end."""
BESIDE = ("generation_config.json", "LICENSE", "LICENSE.txt", "NOTICE")


def merge(source: Source, folder: Path, shard: int = weights.SHARD) -> None:
    """Write the merged model into a folder that exists; memory holds one weight at a time."""
    found = read_object(source.base / "config.json")
    with Weights(source.base) as base:
        if source.adapter is None:
            weights.write(folder, list(base.entries.values()), base.read, shard)
            changes: dict[str, Any] = {}
        else:
            with Weights(source.adapter / "adapter_model.safetensors") as trained:
                plan = Plan(base, Adapter(source.adapter, trained), found)
                weights.write(folder, plan.entries, plan.read, shard)
                changes = plan.changes
    _dump(folder / "config.json", portable.config(found, **changes))
    tokenizer.read(source.tokenizer).write(folder)
    _beside(source.base, folder)


class Plan:
    """Which tensors the merged model has, how each is made, and what that changes in config.json."""

    def __init__(self, base: Weights, adapter: Adapter, config: dict[str, Any]) -> None:
        self.base, self.adapter = base, adapter
        self.changes: dict[str, Any] = {}
        self.entries = [self._entry(entry) for entry in base.entries.values()]
        self.embedding = next((name for name in base.entries if name.endswith(EMBEDDINGS)), None)
        self.tied = bool(self.embedding) and bool(config.get("tie_word_embeddings", HEAD not in base))
        self._untie()
        self._resize(config)
        if unknown := adapter.unmatched(entry.name for entry in self.entries):
            raise UsageError(
                f"{adapter.folder} changes {unknown[0]}, which {base.path} does not have: it is the adapter of another "
                "model; name its own with --base"
            )

    def read(self, name: str) -> Tensor:
        """A tensor of the merged model."""
        own = self.embedding if name == HEAD and self.tied and self.embedding else name
        saved = self.adapter.bases.get(own)
        return self.adapter.changed(name, self.base.read(own) if saved is None else self._saved(saved, own))

    def _saved(self, saved: str, own: str) -> Tensor:
        """A weight of the base as peft saved it along, in the type that the base has it in."""
        return self.adapter.weights.read(saved).to(self.base.read(own).dtype)

    def _entry(self, entry: Entry) -> Entry:
        replaced = self.adapter.replaced(entry.name)
        return replace(entry, shape=self.adapter.weights.entries[replaced].shape) if replaced else entry

    def _untie(self) -> None:
        """Give the head a weight of its own where training has parted it from the embeddings it was tied to."""
        if not self.tied or self.embedding is None:
            return
        embedding, head = (self._trained(name) for name in (self.embedding, HEAD))
        if not (embedding or head):
            self.tied = False
            return
        self.entries = [entry for entry in self.entries if entry.name != HEAD]
        if not head and self.adapter.config.get("ensure_weight_tying"):
            return
        tied = self._entry(self.base.entries[self.embedding]) if self.embedding in self.adapter.bases else None
        tied = tied or self.base.entries[self.embedding]
        self.entries.append(self._entry(replace(tied, name=HEAD)))
        self.changes["tie_word_embeddings"] = False

    def _trained(self, name: str) -> bool:
        return name in self.adapter.whole or name.removesuffix(".weight") in self.adapter.changes

    def _resize(self, config: dict[str, Any]) -> None:
        """Follow embeddings that were trained for more tokens than the base has."""
        shapes = {entry.name: entry.shape for entry in self.entries}
        rows = shapes[self.embedding][0] if self.embedding else None
        if self.embedding is None or rows == self.base.entries[self.embedding].shape[0]:
            return
        if HEAD in shapes and shapes[HEAD][0] != rows:
            raise UsageError(
                f"{self.adapter.folder} has embeddings of {rows} tokens, and a head of {shapes[HEAD][0]}: save both, "
                "with `modules_to_save=['embed_tokens', 'lm_head']`"
            )
        self.changes["vocab_size"] = rows


def _beside(base: Path, folder: Path) -> None:
    """The base's settings for generation, its licence, and the code of a model that brings its own."""
    for file in (*(base / name for name in BESIDE), *base.glob("*.py")):
        if file.is_file():
            shutil.copyfile(file, folder / file.name)


def written(folder: Path, make: Callable[[Path], None], force: bool) -> None:
    """Have a folder made beside its place and moved there when it is whole; what was there is replaced last."""
    unfinished = folder.with_name(f".{folder.name}.part")
    if folder.exists() and not force:
        raise UsageError(f"{folder} exists; --force replaces it, --output names another")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        make(unfinished)
        aside = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        if folder.exists():
            folder.rename(aside)
        unfinished.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _dump(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
