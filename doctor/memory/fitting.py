"""What fits a card: recipes in the order in which they cost speed, the longest rows, the settings to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.version import Version

from doctor.memory.generating import generate
from doctor.memory.loading import load
from doctor.memory.run import Estimate, Method, Quant, Run
from doctor.memory.shape import Shape
from doctor.memory.training import train

STEP = 64
"""Tokens to which the longest length is found."""
LENGTHS = (512, 1024, 2048, 4096, 8192)
BATCHES = (1, 2, 4, 8)
CONTEXT_LIMIT = 131072
"""Tokens beyond which no length is tried where config.json names none."""


@dataclass(frozen=True)
class Recipe:
    """A way to train, by what it leaves out or moves."""

    name: str
    title: str
    how: str
    upcast: bool = False
    fused_loss: bool = True
    offload: bool = False

    def of(self, run: Run) -> Run:
        """The run by this recipe."""
        return replace(run, upcast=self.upcast, fused_loss=self.fused_loss, offload=self.offload)


USUAL = Recipe(
    "usual",
    "as most scripts do it",
    "peft's prepare_model_for_kbit_training, the loss over whole logits",
    upcast=True,
    fused_loss=False,
)
LEAN = Recipe(
    "lean",
    "fused loss, no fp32 copies",
    "leave out prepare_model_for_kbit_training (keep gradient checkpointing) and compute the loss in chunks "
    "(use_liger_kernel=True, or TRL's SFTTrainer)",
)
OFFLOAD = Recipe(
    "offload",
    "the same, layer inputs in host memory",
    f"{LEAN.how}, and keep the inputs of the layers in host memory until the backward pass needs them",
    offload=True,
)
RECIPES = {recipe.name: recipe for recipe in (USUAL, LEAN, OFFLOAD)}


def stages(shape: Shape, run: Run, release: Version, card: int | None) -> tuple[Estimate, Estimate, Estimate]:
    """The peak of the load, of training and of generation."""
    return load(shape, run, release, card), train(shape, run, release), generate(shape, run, release)


def longest(shape: Shape, run: Run, release: Version, card: int, limit: int) -> int:
    """The longest rows, in tokens, that train on the card: a multiple of STEP; 0 where none does."""
    low, high = 0, max(1, limit // STEP)
    while low < high:
        middle = (low + high + 1) // 2
        if train(shape, replace(run, max_length=middle * STEP), release).fits(card):
            low = middle
        else:
            high = middle - 1
    return low * STEP


def context(config: Mapping[str, Any]) -> int:
    """Tokens that the model was made for, by its config.json."""
    found = config.get("max_position_embeddings") or config.get("n_positions")
    return found if isinstance(found, int) and found > 0 else CONTEXT_LIMIT


def quant_of(method: Method) -> Quant:
    """The quantisation that goes with a method unless another is asked for."""
    return "nf4-double" if method == "qlora" else "none"


@dataclass(frozen=True)
class Row:
    """One way to train at one batch: its peak at each length, and the longest that fits."""

    run: Run
    recipe: Recipe
    peaks: Mapping[int, Estimate]
    longest: int | None


def table(shape: Shape, runs: list[Run], release: Version, card: int | None, limit: int) -> Iterator[Row]:
    """Every method, recipe and batch."""
    lengths = [length for length in LENGTHS if length <= limit] or [limit]
    for run in runs:
        for recipe in RECIPES.values():
            for batch in BATCHES:
                chosen = replace(recipe.of(run), batch=batch)
                peaks = {length: train(shape, replace(chosen, max_length=length), release) for length in lengths}
                most = None if card is None else longest(shape, chosen, release, card, limit)
                yield Row(chosen, recipe, peaks, most)


def first_fit(shape: Shape, run: Run, release: Version, card: int, limit: int) -> tuple[Recipe, Run] | None:
    """The least costly recipe that trains at the wanted length and batch, else at batch 1, else at a shorter length."""
    for wanted in dict.fromkeys((run, replace(run, batch=1))):
        for recipe in RECIPES.values():
            if train(shape, recipe.of(wanted), release).fits(card):
                return recipe, recipe.of(wanted)
    shorter = replace(OFFLOAD.of(run), batch=1)
    length = longest(shape, shorter, release, card, min(limit, run.max_length))
    return (OFFLOAD, replace(shorter, max_length=length)) if length else None
