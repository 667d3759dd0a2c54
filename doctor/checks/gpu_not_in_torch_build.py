"""The installed torch has no kernels for the GPU.

Why it matters: the first operation on the GPU ends in "CUDA error: no kernel image is available for execution on the
device": a torch older than the card (RTX 50, B200), or one that has dropped it (GTX 10 since CUDA 12.8, V100 since 13).

What to do: install a torch whose builds include the card; `torch.cuda.get_arch_list()` shows what one includes.

Reference: https://github.com/pytorch/pytorch/blob/main/RELEASE.md#release-compatibility-matrix
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from doctor.binaries import Binaries
from doctor.model import Facts, Finding, Gpu, Machine, Package, Remedy, Severity, check

CU128 = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
CU124 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
BLACKWELL = 10
"""The first major version that needs CUDA 12.8."""
INDEX = "https://download.pytorch.org/whl"


def _facts(capability: str | None, *arches: str) -> Facts:
    machine = Machine(gpus=(Gpu("Card", 4 << 30, 3 << 30, capability),), backend="cuda", cuda="13.0")
    return Facts(
        packages={"torch": Package("torch", "2.10.0")}, machine=machine, binaries=Binaries(cuda="12.8", arches=arches)
    )


@check(
    "gpu",
    Severity.ERROR,
    passes=[
        Facts(),
        _facts("8.9", *CU128),
        _facts("6.1", *CU124),
        _facts("12.0", "sm_90", "compute_90"),
        _facts(None, *CU128),
        _facts("6.1"),
    ],
    fails=[_facts("6.1", *CU128), _facts("12.0", *CU124), _facts("10.0", "sm_90a"), _facts("12.1", "sm_120a")],
)
def gpu_not_in_torch_build(facts: Facts) -> Iterator[Finding]:
    """Look for kernels of each card's major version, not newer than the card, or code that the driver compiles."""
    arches = facts.binaries.arches
    without = {
        gpu.name: gpu.capability
        for gpu in facts.machine.gpus
        if arches and gpu.capability and not runs(gpu.capability, arches)
    }
    for name, capability in without.items():
        newer = int(capability.partition(".")[0]) >= BLACKWELL
        command = f"pip install --force-reinstall torch --index-url {INDEX}/{'cu128' if newer else 'cu126'}"
        yield Finding(
            f"torch {facts.packages['torch'].version} has kernels for {', '.join(arches)}, and {name} is "
            f"sm_{capability.replace('.', '')}",
            Remedy(
                "command", f"run `{command}`, for the builds of CUDA {'12.8' if newer else '12.6'} include it", command
            ),
        )


def runs(capability: str, arches: Sequence[str]) -> bool:
    """Whether one of the builds runs on a card: the same major version and no newer minor one, or PTX no newer."""
    major, minor = (int(part) for part in capability.split("."))
    for arch in arches:
        match = re.match(r"(sm|compute)_(\d+)(\d)([a-z]?)$", arch)
        if not match:
            continue
        own = (int(match[2]), int(match[3]))
        # A letter ties it to that very card (sm_90a), or to its family (sm_100f).
        if match[4] and (own != (major, minor) if match[4] == "a" else own[0] != major):
            continue
        if own <= (major, minor) and (match[1] == "compute" or own[0] == major):
            return True
    return False
