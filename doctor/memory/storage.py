"""What a weight takes on the GPU once it is loaded, by quantisation and release."""

from __future__ import annotations

from functools import cache

from packaging.version import Version

from doctor.memory.run import Quant
from doctor.memory.shape import Shape, Weight

ITEMSIZE = 2
"""Bytes of one element that is not quantised: bfloat16 or float16."""
BLOCK = 64
"""Weights that share one scale in bitsandbytes' four bits."""
NESTED = 256
"""Scales that share one scale of their own under double quantisation."""
GRAIN = 512
"""Bytes that torch's allocator rounds up to."""
FUSED_SINCE = Version("5.0.0")
"""transformers keeps the experts of a layer in one 3-D tensor, which bitsandbytes does not quantise."""


def rounded(size: int) -> int:
    """A size as the allocator gives it out."""
    return -(-size // GRAIN) * GRAIN


def scales(numel: int) -> int:
    """Bytes of the fp32 scales of a tensor in four bits."""
    return rounded(-(-numel // BLOCK) * 4)


def fuses_experts(shape: Shape, release: Version) -> bool:
    """Whether this release's class has the experts of a layer in one tensor."""
    return shape.native and release >= FUSED_SINCE


def quantisable(weight: Weight, shape: Shape, release: Version) -> bool:
    """Whether bitsandbytes quantises it: every linear layer but the head."""
    return weight.kind == "linear" or (weight.kind == "expert" and not fuses_experts(shape, release))


def resident(weight: Weight, quant: Quant, shape: Shape, release: Version) -> int:
    """Bytes on the GPU after the load."""
    if shape.quantised:
        return rounded(weight.numel * weight.itemsize)
    if quant == "none" or not quantisable(weight, shape, release):
        return rounded(weight.numel * ITEMSIZE)
    if quant == "int8":
        return rounded(weight.numel) + rounded(weight.shape[0] * 4)
    packed = rounded(-(-weight.numel // 2)) + GRAIN  # the 16 values of the data type
    if quant == "nf4":
        return packed + scales(weight.numel)
    blocks = -(-weight.numel // BLOCK)
    # One byte a scale, a scale of scales in fp32, their 256-entry table, and the offset.
    return packed + rounded(blocks) + rounded(-(-blocks // NESTED) * 4) + 1024 + GRAIN


def passing(weight: Weight, quant: Quant, shape: Shape, release: Version) -> int:
    """Bytes that are there beside the result only while this weight is loaded."""
    if shape.quantised or quant == "none" or not quantisable(weight, shape, release):
        return 0
    if quant == "int8":
        # transformers 5 hands over a tensor on the GPU, which bitsandbytes copies to half precision there.
        return weight.numel * ITEMSIZE * (2 if release.major >= 5 else 1)
    return weight.numel * ITEMSIZE + scales(weight.numel) * (2 if quant == "nf4-double" else 1)


@cache
def total(shape: Shape, quant: Quant, release: Version) -> int:
    """Bytes of all weights on the GPU."""
    return sum(resident(weight, quant, shape, release) for weight in shape.weights)


@cache
def kept_16_bit(shape: Shape, release: Version) -> int:
    """Elements that stay in 16 bits whatever the quantisation: embeddings, head, norms, experts in one tensor."""
    return sum(weight.numel for weight in shape.weights if not quantisable(weight, shape, release))
