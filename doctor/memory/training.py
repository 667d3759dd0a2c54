"""The peak of a training step: the largest of the moments at which memory is highest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from packaging.version import Version

from doctor.memory import activations, host
from doctor.memory.run import Estimate, Method, Run
from doctor.memory.shape import Shape, Weight
from doctor.memory.storage import ITEMSIZE, kept_16_bit, quantisable, total

PAGED_FROM = 100_000
"""Elements from which bitsandbytes pages the state of a tensor to the host."""
EIGHT_BIT_FROM = 4096
"""Elements from which it keeps the state of a tensor in eight bits."""
STATE_BLOCK = 256
"""Elements of an 8-bit state that share an fp32 scale."""


@dataclass(frozen=True)
class Moment:
    """A moment of a step and what is there."""

    where: str
    parts: Mapping[str, int]

    @property
    def size(self) -> int:
        return sum(self.parts.values())


def train(shape: Shape, run: Run, release: Version) -> Estimate:
    """The peak of an update with full-length rows, once the optimizer has its state."""
    peak = max(moments(shape, run, release), key=lambda moment: moment.size)
    low, high = shape.interval(peak.size)
    notes = []
    if upcasts(shape, run):
        notes.append("embeddings, norms and head are copied to fp32, and everything between the layers with them")
    if not run.fused_loss:
        notes.append("the logits of all tokens are there at once, several times over")
    return Estimate(
        "train",
        str(release),
        peak.size,
        low,
        high,
        peak.where,
        {name: size for name, size in peak.parts.items() if size},
        host.train(run, release, peak.size, off_card(shape, run, release)),
        "; ".join(notes),
    )


def upcasts(shape: Shape, run: Run) -> bool:
    """Whether the weights that stay in 16 bits are copied to fp32."""
    return run.upcast and run.method == "qlora" and (run.quant != "none" or shape.quantised is not None)


def moments(shape: Shape, run: Run, release: Version) -> tuple[Moment, ...]:
    """The loss, the backward pass of the last layer and of the first, and the update."""
    of, stream = shape.dimensions, activations.FULL if upcasts(shape, run) else activations.HALF
    tokens = run.batch * run.max_length
    trained = trainable(shape, run.method, run.rank, release)
    itemsize = run.adapter_itemsize if run.method != "full" else ITEMSIZE
    kept = of.hidden * stream * tokens
    layers, one = (of.layers * kept, kept) if not run.offload else (kept, kept)
    if not run.checkpointing:
        layers = of.layers * activations.saved(of, stream) * tokens
        one = 0
    count = sum(numel * times for numel, times in trained.items())
    gradients = count * itemsize
    held = {
        "weights": total(shape, run.quant, release),
        "fp32 copies": upcast(shape, run, release),
        "adapters": count * itemsize if run.method != "full" else 0,
        "optimizer": sum(times * state(numel, run, itemsize) for numel, times in trained.items()),
    }
    earlier = {"gradients": gradients if run.accumulate > 1 else 0}
    layer = {"activations": working(shape, run, stream) * tokens, "dequantised": dequantised(shape, run, release)}
    return (
        Moment("at the loss", {**held, **earlier, "kept for backward": layers, "logits": logits(shape, run, release)}),
        Moment("in the backward pass of the last layer", {**held, **earlier, "kept for backward": layers, **layer}),
        Moment(
            "in the backward pass of the first layer",
            {**held, "gradients": gradients, "kept for backward": one, **layer},
        ),
        Moment("at the update", {**held, "gradients": gradients}),
    )


@cache
def trainable(shape: Shape, method: Method, rank: int, release: Version) -> Mapping[int, int]:
    """Size of the tensors that are trained, in elements, and how many have it: all weights, or two adapters of each
    linear layer but the head."""
    if method == "full":
        return Counter(weight.numel for weight in shape.weights)
    return Counter(rank * width for weight in adapted(shape, release) for width in weight.shape)


@cache
def adapted(shape: Shape, release: Version) -> tuple[Weight, ...]:
    """The layers that `target_modules="all-linear"` of peft adapts."""
    return tuple(weight for weight in shape.weights if quantisable(weight, shape, release))


def upcast(shape: Shape, run: Run, release: Version) -> int:
    """Bytes that the fp32 copies take more than the 16-bit weights they replace."""
    return kept_16_bit(shape, release) * ITEMSIZE if upcasts(shape, run) else 0


def state(numel: int, run: Run, itemsize: int) -> int:
    """Bytes of the two moments of one trained tensor on the GPU."""
    if run.optimizer == "adamw":
        return 2 * numel * itemsize
    if numel < EIGHT_BIT_FROM:
        return 2 * numel * 4
    scales = 2 * -(-numel // STATE_BLOCK) * 4
    return scales if run.optimizer.startswith("paged") and numel >= PAGED_FROM else 2 * numel + scales


def off_card(shape: Shape, run: Run, release: Version) -> int:
    """Bytes kept in host memory: paged optimizer state, and the inputs of the layers under `offload`."""
    itemsize = run.adapter_itemsize if run.method != "full" else ITEMSIZE
    tensors = trainable(shape, run.method, run.rank, release)
    whole = replace(run, optimizer="adamw-8bit")
    paged = sum(n * (state(size, whole, itemsize) - state(size, run, itemsize)) for size, n in tensors.items())
    of, stream = shape.dimensions, activations.FULL if upcasts(shape, run) else activations.HALF
    inputs = of.layers * of.hidden * stream * run.batch * run.max_length if run.offload else 0
    return (paged if run.optimizer == "paged-adamw-8bit" else 0) + inputs


def working(shape: Shape, run: Run, stream: int) -> int:
    """Bytes a token that one layer holds in its recomputation and backward pass."""
    of = shape.dimensions
    most = max(activations.forward(of, stream, run.method != "full"), activations.backward(of, stream))
    if not run.checkpointing:
        most -= activations.saved(of, stream)
    return most + (activations.scores(of, run.max_length) if of.eager or run.attention == "eager" else 0)


def dequantised(shape: Shape, run: Run, release: Version) -> int:
    """Bytes of the largest quantised layer, which is dequantised to be multiplied."""
    if run.quant == "none" and shape.quantised is None:
        return 0
    return _largest(shape, release) * ITEMSIZE


@cache
def _largest(shape: Shape, release: Version) -> int:
    return max((weight.numel for weight in adapted(shape, release)), default=0)


def logits(shape: Shape, run: Run, release: Version) -> int:
    """Bytes of the logits and of what the loss makes of them."""
    of = shape.dimensions
    rows = run.batch * run.max_length
    head = next(iter(shape.of("head") or shape.of("embedding")), None)
    # Under autocast an fp32 head is copied to 16 bits, and the copy kept for the backward pass.
    copy = head.numel * ITEMSIZE if head is not None and upcasts(shape, run) else 0
    if run.fused_loss:
        rows = -(
            -rows * of.hidden // of.vocabulary
        )  # liger's chunks: as many rows as make the logits as wide as the input
    each = activations.LOSS + (activations.SHIFTED if release < Version("4.49") else 0)
    return copy + rows * of.vocabulary * each
