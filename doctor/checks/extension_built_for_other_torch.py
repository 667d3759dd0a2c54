"""A compiled extension wants a function that the installed torch does not have.

Why it matters: importing it ends in "undefined symbol: _ZN3c10...", for flash-attn inside transformers as "Failed to
import transformers.models.llama.modeling_llama"; torchvision says "operator torchvision::nms does not exist".  It was
built for another torch, another CUDA, or with the other C++ ABI.

What to do: install the build for this torch; without flash-attn, `attn_implementation="sdpa"` does the same.

Reference: https://github.com/Dao-AILab/flash-attention/issues/723
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor.binaries import Binaries
from doctor.model import Facts, Finding, Location, Package, Remedy, Severity, check

FLASH = "/env/lib/python3.11/site-packages/flash_attn_2_cuda.cpython-311-x86_64-linux-gnu.so"
OLD_ABI = "_ZN3c105ErrorC2ENS_14SourceLocationESs"
TORCH = {"torch": Package("torch", "2.13.0")}
TOGETHER = ("torchvision", "torchaudio")
"""Distributions that are released with each torch, and name it in their metadata."""


@check(
    "gpu",
    Severity.ERROR,
    passes=[Facts(), Facts(packages=TORCH, binaries=Binaries(cuda="12.8"))],
    fails=[Facts(packages=TORCH, binaries=Binaries(cuda="12.8", undefined={FLASH: OLD_ABI}))],
)
def extension_built_for_other_torch(facts: Facts) -> Iterator[Finding]:
    """Say which name each of them lacks."""
    for path, name in facts.binaries.undefined.items():
        file = re.split(r"[\\/]", path)[-1]
        abi = ": it was built with the C++ ABI of torch before 2.7" if re.search(r"(Ss|RKSs)$", name) else ""
        whose = next((each for each in TOGETHER if f"/{each}/" in path), "")
        if whose:
            text = f"install the {whose} that was released with torch {facts.packages['torch'].version}"
        else:
            text = 'install the build for this torch, or uninstall it and use `attn_implementation="sdpa"`'
        yield Finding(
            f"{file} wants {name}, which torch {facts.packages['torch'].version} does not define{abi}",
            Remedy("advice", text),
            Location(path),
        )
