"""The machine has a GPU, and torch is a build without it.

Why it matters: `torch.cuda.is_available()` is False; training runs on the CPU, a hundred times slower, or
bitsandbytes refuses.  pip takes such a build from an index of CPU wheels, and on Windows by default.

What to do: install the build for the driver's CUDA, or ROCm, from the index that the remedy names.

Reference: https://pytorch.org/get-started/locally/
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import Facts, Finding, Gpu, Machine, Package, Remedy, Severity, check

GPU = Machine(gpus=(Gpu("NVIDIA GeForce GTX 1650", 4 << 30, 3 << 30),), driver="550.54", cuda="12.4", backend="cuda")
RADEON = Machine(gpus=(Gpu("Radeon Pro", 16 << 30, 15 << 30),), backend="rocm")
NAMES = {"cuda": "CUDA", "rocm": "ROCm"}
INDEX = "https://download.pytorch.org/whl"
BUILDS = ("13.0", "12.8", "12.6", "12.4", "12.1", "11.8")
"""CUDA versions that torch is built for; one no newer than the driver's is taken."""


def _facts(version: str, machine: Machine, *requires: str) -> Facts:
    return Facts(packages={"torch": Package("torch", version, requires=requires)}, machine=machine)


@check(
    "gpu",
    Severity.ERROR,
    passes=[
        _facts("2.13.0+cu124", GPU),
        _facts("2.13.0+cpu", Machine()),
        _facts("2.13.0", GPU, "filelock", "nvidia-cudnn-cu13==9.10; platform_system == 'Linux'"),
        _facts("2.13.0+rocm6.2", RADEON),
        Facts(machine=GPU),
    ],
    fails=[
        _facts("2.13.0+cpu", GPU),
        _facts("2.13.0", GPU, "filelock", "sympy>=1.13.3"),
        _facts("2.13.0+cpu", RADEON),
        _facts("2.13.0+cu124", RADEON),
    ],
)
def cpu_only_torch(facts: Facts) -> Iterator[Finding]:
    """Compare the build tag of torch with the accelerator."""
    torch, backend = facts.packages.get("torch"), facts.machine.backend
    if torch is None or backend not in ("cuda", "rocm") or _built_for(torch, backend):
        return
    names = ", ".join(sorted({gpu.name for gpu in facts.machine.gpus})) or f"a {backend} driver"
    command = f"pip install --force-reinstall torch --index-url {INDEX}/{_index(facts.machine)}"
    yield Finding(
        f"torch {torch.version} is built without {NAMES[backend]}, but the machine has {names}",
        Remedy("command", f"run `{command}`", command),
    )


def _built_for(torch: Package, backend: str) -> bool:
    """By the tag of the build; without a tag, by whether it asks for the CUDA libraries."""
    tag = torch.version.partition("+")[2]
    if tag.startswith(("cu", "rocm")):
        return tag.startswith("cu" if backend == "cuda" else "rocm")
    if tag.startswith("cpu"):
        return False
    return not torch.requires or any(line.startswith(("nvidia", "cuda", "triton")) for line in torch.requires)


def _index(machine: Machine) -> str:
    if machine.backend == "rocm":
        return "rocm6.4"
    newest = [int(part) for part in (machine.cuda or "12.6").split(".")[:2]]
    fits = [build for build in BUILDS if [int(part) for part in build.split(".")] <= newest]
    return "cu" + (fits[0] if fits else BUILDS[-1]).replace(".", "")
