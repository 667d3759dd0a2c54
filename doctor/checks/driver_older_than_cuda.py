"""The NVIDIA driver is too old for the CUDA that torch was built for.

Why it matters: `torch.cuda.is_available()` is False ("The NVIDIA driver on your system is too old"), and training runs
on the CPU or stops.  Within one major version of CUDA an older driver serves a newer torch; across two it does not.

What to do: install a newer driver, or the torch that is built for the driver's CUDA.

Reference: https://docs.nvidia.com/deploy/cuda-compatibility/
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.binaries import Binaries
from doctor.model import Facts, Finding, Gpu, Machine, Package, Remedy, Severity, check

INDEX = "https://download.pytorch.org/whl"
BUILDS = {"13": "cu130", "12": "cu126", "11": "cu118"}
"""The build of torch that every driver of a major version of CUDA serves."""


def _facts(built: str, driver: str, wsl: bool = False) -> Facts:
    card = Gpu("NVIDIA GeForce GTX 1650", 4 << 30, 3 << 30, "7.5")
    machine = Machine(gpus=(card,), driver="535.54", cuda=driver, backend="cuda", wsl=wsl)
    return Facts(packages={"torch": Package("torch", "2.13.0")}, machine=machine, binaries=Binaries(cuda=built))


@check(
    "gpu",
    Severity.ERROR,
    passes=[Facts(), _facts("12.8", "12.2"), _facts("12.6", "13.0"), Facts(binaries=Binaries(cuda="13.0"))],
    fails=[_facts("13.0", "12.8"), _facts("12.4", "11.8"), _facts("13.0", "12.8", wsl=True)],
)
def driver_older_than_cuda(facts: Facts) -> Iterator[Finding]:
    """Compare the major versions of the two CUDAs."""
    built, most = facts.binaries.cuda, facts.machine.cuda
    if not built or not most or facts.machine.backend != "cuda" or _major(most) >= _major(built):
        return
    index = f"{INDEX}/{BUILDS.get(str(_major(most)), BUILDS['11'])}"
    command = f"pip install --force-reinstall torch --index-url {index}"
    where = "in Windows" if facts.machine.wsl else "here"
    yield Finding(
        f"driver {facts.machine.driver} supports CUDA up to {most}, and torch {facts.packages['torch'].version} is "
        f"built for CUDA {built}",
        Remedy("command", f"install a newer driver {where}, or run `{command}`", command),
    )


def _major(version: str) -> int:
    return int(version.partition(".")[0])
