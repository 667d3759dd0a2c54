"""What compiled libraries were built for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Binaries:
    """The compiled part of an environment, as far as its files tell."""

    cuda: str | None = None
    """The CUDA that torch was built for."""
    hip: str | None = None
    """The ROCm that torch was built for."""
    arches: tuple[str, ...] = ()
    """The GPUs that torch has kernels for: `sm_75`, `compute_90`, ...; looked up only where there is an NVIDIA GPU."""
    bitsandbytes: tuple[str, ...] = ()
    """The native libraries that bitsandbytes has: `libbitsandbytes_cuda128.so`, ..."""
    undefined: Mapping[str, str] = field(default_factory=dict)
    """File of an extension of torch to a name that it wants, and that this torch does not define."""
