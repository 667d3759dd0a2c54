"""An adapter of peft, read without peft: which weights of the base it changes, and into what.

LoRA with rsLoRA, DoRA, trained biases, patterns of ranks and alphas, embeddings, and whole modules that were trained
and saved (`modules_to_save`).  What is none of these is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doctor.settings import UsageError
from doctor.trainer.export.source import read_object
from doctor.trainer.export.weights import Weights

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "base_model.model."
PARTS = {
    "lora_A.weight": "a",
    "lora_B.weight": "b",
    "lora_B.bias": "bias",
    "lora_embedding_A": "a",
    "lora_embedding_B": "b",
    "lora_magnitude_vector": "magnitude",
    "lora_magnitude_vector.weight": "magnitude",
}
"""How the names of an adapter's tensors end, and what each is."""
UNMERGEABLE = ("alora_invocation_tokens", "arrow_config", "target_parameters", "trainable_token_indices", "use_bdlora")
"""Settings of peft under which its result is no weight of the base, or not one that is known here."""


@dataclass(frozen=True)
class Change:
    """One trained module: the names of its tensors in the adapter's file, by part."""

    module: str
    scale: float
    parts: Mapping[str, str] = field(default_factory=dict)
    embedding: bool = False
    transposed: bool = False
    """Whether the base keeps the weight as (in, out)."""


class Adapter:
    """What an adapter folder holds.  Its tensors are read as they are asked for, within `weights`."""

    def __init__(self, folder: Path, weights: Weights) -> None:
        self.folder, self.weights = folder, weights
        self.config = read_object(folder / "adapter_config.json")
        self._refuse_others()
        self.changes: dict[str, Change] = {}
        """By module name, as the model calls it."""
        self.whole: dict[str, str] = {}
        """Weights that are replaced: the base's name to the adapter's."""
        self.bases: dict[str, str] = {}
        """Weights of the base that peft saved along, for there may be more tokens since: the base's name to its own."""
        for name in weights.entries:
            self._take(name)

    def changed(self, name: str, base: Tensor) -> Tensor:
        """A weight of the base with what was trained added, in the base's own type; the base itself where nothing was.

        The sum is taken in 32 bits and rounded once, as `merge_and_unload` does with an adapter that was loaded in 32.
        """
        if name in self.whole:
            return self.weights.read(self.whole[name]).to(base.dtype)
        module, _, parameter = name.rpartition(".")
        change = self.changes.get(module)
        if change is None or parameter not in ("weight", "bias"):
            return base
        if parameter == "bias":
            return self._bias(change, base)
        return self._weight(change, base)

    def replaced(self, name: str) -> str | None:
        """The adapter's name of a weight that stands for one of the base, so that its shape may be another."""
        return self.whole.get(name) or self.bases.get(name)

    def unmatched(self, names: Iterable[str]) -> list[str]:
        """Weights that were trained and that the base does not have."""
        known = set(names)
        trained = [f"{module}.weight" for module in self.changes]
        trained += [f"{module}.bias" for module, change in self.changes.items() if "bias" in change.parts]
        return sorted(name for name in (*trained, *self.whole, *self.bases) if name not in known)

    def _weight(self, change: Change, base: Tensor) -> Tensor:
        import torch

        a, b = (self.weights.read(change.parts[part]).float() for part in ("a", "b"))
        product = b @ a
        delta = (product.T if change.embedding or change.transposed else product) * change.scale
        if delta.shape != base.shape:
            raise UsageError(
                f"{self.folder}: {change.module} was trained as {tuple(delta.shape)}, and the base's is "
                f"{tuple(base.shape)}: it is the adapter of another model; name its own with --base"
            )
        merged = base.float() + delta
        if "magnitude" in change.parts:
            across = 0 if change.transposed or change.embedding else 1
            magnitude = self.weights.read(change.parts["magnitude"]).float().reshape(-1)
            factor = magnitude / torch.linalg.norm(merged, dim=across)
            merged = (factor if across == 0 else factor[:, None]) * merged
        if not bool(torch.isfinite(merged).all()):
            raise UsageError(f"{self.folder}: {change.module} is not finite once merged; its training diverged")
        return merged.to(base.dtype)

    def _bias(self, change: Change, base: Tensor) -> Tensor:
        if "bias" not in change.parts:
            return base
        trained = self.weights.read(change.parts["bias"]).float()
        return (base.float() + trained * change.scale).to(base.dtype)

    def _take(self, name: str) -> None:
        own = name.removeprefix(PREFIX)
        end = next((end for end in PARTS if own.endswith(f".{end}")), None)
        if end is None:
            if "lora_" in own or "token_adapter" in own or not own.endswith((".weight", ".bias")):
                raise UsageError(f"{self.folder}: how to merge {name} is not known; merge with peft's merge_and_unload")
            known = self.bases if ".base_layer." in own else self.whole
            known[own.replace(".base_layer.", ".")] = name
            return
        module = own.removesuffix(f".{end}")
        change = self.changes.get(module) or self._change(module, "embedding" in end)
        self.changes[module] = Change(
            module, change.scale, {**change.parts, PARTS[end]: name}, change.embedding, change.transposed
        )

    def _change(self, module: str, embedding: bool) -> Change:
        stem = f"{PREFIX}{module}.lora_embedding_A" if embedding else f"{PREFIX}{module}.lora_A.weight"
        if stem not in self.weights:
            raise UsageError(f"{self.folder}: {module} has no lora_A in adapter_model.safetensors")
        rank = self.weights.entries[stem].shape[0]
        alpha = _by_pattern(self.config.get("alpha_pattern"), module, self.config.get("lora_alpha", 8))
        scale = alpha / (sqrt(rank) if self.config.get("use_rslora") else rank)
        return Change(module, scale, embedding=embedding, transposed=bool(self.config.get("fan_in_fan_out")))

    def _refuse_others(self) -> None:
        kind = self.config.get("peft_type")
        if kind != "LORA":
            raise UsageError(f"{self.folder}: is an adapter of the kind {kind}; only LORA is merged here")
        if used := next((key for key in UNMERGEABLE if self.config.get(key)), None):
            raise UsageError(
                f"{self.folder}: adapter_config.json sets {used}, which cannot be merged into the base here"
            )


def _by_pattern(patterns: Any, module: str, default: float) -> float:
    """The value of the first pattern that a module's name ends in, as peft matches them."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return float(value)
    return default
