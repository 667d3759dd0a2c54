"""The model takes more GPU memory than there is, to load, to generate or to train.

Why it matters: `CUDA out of memory`, minutes or hours into a run.  What a load takes depends on the release: those
from 5.0 to 5.3 put 16-bit weights on the GPU before they are quantised.  What training takes depends on settings that
scripts copy from each other: `prepare_model_for_kbit_training` copies embeddings and head to fp32, and the logits of
a batch are there several times over.

What to do: set what the remedy names.  `doctor fit --model FOLDER` shows every method, length and batch that fits.
Models that were named are judged, quantised to 4 bits; their training where `--vram` or `--max-length` is given.

Reference: https://huggingface.co/docs/transformers/main/en/model_memory_anatomy
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from doctor.model import Facts, Finding, Gpu, Location, Machine, ModelFacts, Package, Remedy, Severity, check
from doctor.size import gib

if TYPE_CHECKING:
    from packaging.version import Version

    from doctor.memory.run import Estimate, Run
    from doctor.memory.shape import Shape

DEFAULT_LENGTH = 1024
"""Tokens of a row where `--vram` is given and no length."""
FOUR = 4 << 30
PHI3: Mapping[str, Any] = {
    "model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064, "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}  # fmt: skip
SMALL = {**PHI3, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12,
         "num_key_value_heads": 12}  # fmt: skip


def _facts(config: Mapping[str, Any], version: str = "5.23.0", **rest: Any) -> Facts:
    packages = {"transformers": Package("transformers", version), "bitsandbytes": Package("bitsandbytes", "0.50.2")}
    folder = "/models/phi"
    return Facts(**{"packages": packages, "models": (ModelFacts(folder, config),), "targets": (folder,), **rest})


CARD = Machine(gpus=(Gpu("NVIDIA GeForce GTX 1650", FOUR, 3900 << 20, "7.5"),), backend="cuda")


@check(
    "gpu",
    Severity.ERROR,
    passes=[
        _facts(PHI3, vram=24 << 30),
        _facts(SMALL, vram=FOUR),
        _facts(PHI3, machine=CARD),
        _facts(PHI3, "5.0.0", machine=CARD, variables={"HF_DEACTIVATE_ASYNC_LOAD": "1"}),
        _facts(PHI3, "5.0.0", machine=CARD, targets=()),
        _facts(PHI3, "5.0.0", vram=FOUR, targets=()),
        _facts({"model_type": "phi3"}, vram=FOUR),
    ],
    fails=[
        _facts(PHI3, "5.0.0", vram=FOUR),
        _facts(PHI3, vram=FOUR),
        _facts(PHI3, machine=CARD, max_length=2048),
        _facts({**PHI3, "num_hidden_layers": 96}, machine=CARD),
        _facts(PHI3, "5.0.0", machine=CARD, targets=(), model="/models/phi"),
    ],
)
def model_does_not_fit(facts: Facts) -> Iterator[Finding]:
    """Compare the predicted peaks of each named model with the card."""
    card = facts.vram or next((gpu.free for gpu in facts.machine.gpus if gpu.free), None)
    if card is None:
        return
    for model in facts.models:
        if _named(model, facts):
            yield from _judged(model, facts, card)


def _named(model: ModelFacts, facts: Facts) -> bool:
    """Whether the user gave this folder or one around it; a whole cache is not loaded at once."""
    around = (model.path, *_parents(model.path))
    return model.path == facts.model or any(target in around for target in facts.targets)


def _parents(path: str) -> Iterator[str]:
    while (parent := os.path.dirname(path)) != path:  # noqa: PTH120
        yield parent
        path = parent


def _judged(model: ModelFacts, facts: Facts, card: int) -> Iterator[Finding]:
    from doctor.memory.forecast import asynchronous
    from doctor.memory.generating import generate
    from doctor.memory.loading import load
    from doctor.memory.run import Run
    from doctor.memory.shape import shape_of

    try:
        shape = shape_of(model)
    except ValueError:
        return
    release = facts.transformers
    run = Run(max_length=facts.max_length or DEFAULT_LENGTH, asynchronous=asynchronous(facts.variables))
    where = Location(os.path.join(model.path, "config.json"))  # noqa: PTH118
    loaded = load(shape, run, release, card)
    if _over(loaded, shape, card):
        yield Finding(
            _message("loading it in 4 bits", loaded, card), _loading(shape, run, release, card), where, "load"
        )
    written = generate(shape, run, release)
    if _over(written, shape, card) and not _over(loaded, shape, card):
        fewer = Remedy("advice", f"generate from fewer tokens than {run.prompt}, or take a smaller model")
        yield Finding(_message(f"reading {run.prompt} tokens", written, card), fewer, where, "generate")
    if facts.vram is not None or facts.max_length is not None:
        yield from _training(model, shape, run, release, card, where)


def _over(estimate: Estimate, shape: Shape, card: int) -> bool:
    """Whether it does not fit: by the estimate where the architecture is known, else by the lower end as well."""
    at_least = estimate if shape.known else replace(estimate, peak=estimate.low)
    return at_least.fits(card) is False


def _message(doing: str, estimate: Estimate, card: int) -> str:
    from doctor.memory.run import CONTEXT

    least = f"{doing} on transformers {estimate.transformers} takes {gib(estimate.peak)} {estimate.where}"
    return f"{least}; {gib(card)} less {gib(CONTEXT)} of CUDA context are there" + (
        f": {estimate.why}" * bool(estimate.why)
    )


def _loading(shape: Shape, run: Run, release: Version, card: int) -> Remedy:
    from doctor.memory.forecast import SYNCHRONOUS
    from doctor.memory.loading import load

    if load(shape, replace(run, asynchronous=False), release, card).fits(card):
        line = f"{SYNCHRONOUS}=1"
        return Remedy("variable", f"run `export {line}` before the load, or install transformers>=5.4", line, safe=True)
    return Remedy("advice", "take a smaller model, or a card with more memory: its 4-bit weights alone do not fit")


def _training(
    model: ModelFacts, shape: Shape, run: Run, release: Version, card: int, where: Location
) -> Iterator[Finding]:
    """The usual recipe; a warning where another one trains rows of this length."""
    from doctor.memory.dimensions import text_config
    from doctor.memory.fitting import context, first_fit
    from doctor.memory.training import train

    usual = train(shape, run, release)
    if not _over(usual, shape, card):
        return
    found = first_fit(shape, run, release, card, context(text_config(model.config)))
    message = _message(f"QLoRA on rows of {run.max_length} tokens, as most scripts do it,", usual, card)
    if found is None:
        yield Finding(message, Remedy("advice", "take a smaller model, or a card with more memory"), where, "train")
        return
    recipe, chosen = found
    taken = gib(train(shape, chosen, release).peak)
    shorter = chosen.max_length < run.max_length
    text = f"{recipe.how}: rows of {chosen.max_length} tokens then take {taken}"
    severity = Severity.ERROR if shorter else Severity.WARNING
    yield Finding(
        message, Remedy("config", text, f"max_length: {chosen.max_length}"), where, "train", severity=severity
    )
