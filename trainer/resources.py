"""What a run takes of the machine, and the releases that it runs on."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

STACK = ("torch", "transformers", "peft", "accelerate", "bitsandbytes", "tokenizers", "liger-kernel")


def memory(device: Any) -> int:
    """The peak so far in bytes: of the GPU's allocator, or of the process."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def versions() -> dict[str, str]:
    """The releases of what trains."""
    found = {"python": platform.python_version()}
    for name in STACK:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
