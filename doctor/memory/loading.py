"""The peak while `from_pretrained` puts a model on the GPU: it is the loader that differs by release."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from packaging.version import Version

from doctor.memory import host
from doctor.memory.run import CONTEXT, GIB, Estimate, Run
from doctor.memory.shape import Shape, Weight
from doctor.memory.storage import fuses_experts, passing, quantisable, resident, rounded, total

LEFT_FREE = 12 * GIB // 10
"""Bytes of the card that `caching_allocator_warmup` leaves alone since 4.52."""


@dataclass(frozen=True)
class Peak:
    """Bytes and what they are for."""

    size: int
    temporary: int
    where: str
    why: str = ""


def load(shape: Shape, run: Run, release: Version, card: int | None = None) -> Estimate:
    """The peak of the load; `card` is the GPU memory that is free, which some releases ask for."""
    steps = _one_by_one(shape, run, release)
    reserved = warm_up(shape, run, release, card)
    rushed = _threads(shape, run, release)
    again = _drawn_again(shape, run, release)
    peak = max((steps, reserved, rushed, again), key=lambda found: found.size)
    weights = total(shape, run.quant, release)
    low, high = shape.interval(peak.size, of_weights=True)
    return Estimate(
        "load",
        str(release),
        peak.size,
        # A reservation is given back before it is needed, and readers may be slower than feared.
        min(low, steps.size) if peak in (reserved, rushed) else low,
        high,
        peak.where,
        {"weights": min(weights, peak.size - peak.temporary), "loader": max(peak.temporary, peak.size - weights)},
        host.load(release),
        peak.why,
    )


def _one_by_one(shape: Shape, run: Run, release: Version) -> Peak:
    """Every weight is read, quantised and stored before the next one."""
    held, peak, at = 0, 0, ""
    for name, group in _together(shape, release):
        own = sum(resident(weight, run.quant, shape, release) for weight in group)
        beside = sum(passing(weight, run.quant, shape, release) for weight in group)
        if len(group) > 1:
            # The experts' own tensors are on the GPU until they are stacked into one.
            beside = own
        if held + own + beside > peak:
            peak, at = held + own + beside, name
        held += own
    when = f"while {_module(at)} is loaded" if peak > held else "once all is loaded"
    return Peak(peak, peak - held if peak > held else 0, when)


def _together(shape: Shape, release: Version) -> list[tuple[str, list[Weight]]]:
    """The weights in the order of their loading; those that become one tensor together."""
    fused = bool(shape.of("expert")) and fuses_experts(shape, release)

    def target(weight: Weight) -> str:
        if not (fused and weight.kind == "expert"):
            return weight.name
        stem, _, part = weight.name.partition("experts.")
        return f"{stem}experts.{'down_proj' if 'down' in part or 'w2' in part else 'gate_up_proj'}"

    ordered = (
        sorted(shape.weights, key=lambda w: (w.layer is not None, w.layer or 0, target(w))) if fused else shape.weights
    )
    return [(name, list(group)) for name, group in groupby(ordered, key=target)]


def warm_up(shape: Shape, run: Run, release: Version, card: int | None = None) -> Peak:
    """What `caching_allocator_warmup` reserves ahead, in one piece, before the first weight is read."""
    quantised = run.quant != "none" and shape.quantised is None
    if release < Version("4.50") or (quantised and release < Version("4.51")):
        return Peak(0, 0, "")
    if release.major >= 5:
        size = sum(int(weight.numel * _element(weight, run, shape, release)) for weight in shape.weights)
        return Peak(size, 0, "when the loader reserves memory ahead")
    # From 4.54 on, what the class names as tied is left out, whether or not it is.
    counted = [weight for weight in shape.weights if release < Version("4.54") or weight.kind != "head"]
    size = sum(weight.numel * 2 for weight in counted)
    asked = size // 2 if quantised else size
    if card is not None and asked + CONTEXT > card:
        free = int(card * 0.95) if release < Version("4.52") else max(0, card - LEFT_FREE)
        asked = min(size, free) // (2 if quantised else 1)
    why = (
        f"transformers {release} reserves half of the 16-bit weights ahead; where less is free, less"
        if quantised
        else ""
    )
    return Peak(asked, 0, "when the loader reserves memory ahead", why)


def _element(weight: Weight, run: Run, shape: Shape, release: Version) -> float:
    if shape.quantised:
        return weight.itemsize
    if run.quant == "none" or not quantisable(weight, shape, release):
        return 2
    return 1 if run.quant == "int8" else 0.5


def _threads(shape: Shape, run: Run, release: Version) -> Peak:
    """transformers 5.0 to 5.3: four threads put 16-bit weights on the GPU while one quantises them."""
    quantised = run.quant != "none" and shape.quantised is None
    if not (Version("5.0.0.dev0") <= release < Version("5.4")) or not run.asynchronous or not quantised:
        return Peak(0, 0, "")
    size = sum(rounded(weight.numel * 2) for weight in shape.weights)
    stored = total(shape, run.quant, release)
    why = (
        f"transformers {release} reads 16-bit weights to the GPU in four threads, faster than one thread quantises "
        "them; HF_DEACTIVATE_ASYNC_LOAD=1 or transformers>=5.4 reads them one by one"
    )
    return Peak(size, size - stored, "while 16-bit weights wait to be quantised", why)


def _drawn_again(shape: Shape, run: Run, release: Version) -> Peak:
    """transformers 5.8: `_init_weights` copies each linear layer to fp32 to draw it, also where it was just loaded."""
    if not Version("5.8") <= release < Version("5.9"):
        return Peak(0, 0, "")
    plain = run.quant == "none" or shape.quantised is not None
    linear = shape.of("head", "linear") if plain else shape.of("head")
    largest = max((weight.numel for weight in linear), default=0) * 4
    held = total(shape, run.quant, release)
    why = f"transformers {release} makes an fp32 copy of each linear layer that is not quantised, after the load"
    return Peak(held + largest, largest, "while a linear layer is copied to fp32", why)


def _module(name: str) -> str:
    """The module that a tensor is in, without the path to it: `gate_up_proj`."""
    return name.rpartition(".")[0].rpartition(".")[2] or name
