"""bitsandbytes has no native library for the CUDA, or ROCm, that torch was built for.

Why it matters: it imports, and the first 4-bit or 8-bit layer raises "Configured CUDA binary not found" or "CUDA Setup
failed despite GPU being available".

What to do: install a bitsandbytes that has the library, and unset the variable that overrides the choice.

Reference: https://huggingface.co/docs/bitsandbytes/main/en/installation
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor.binaries import Binaries
from doctor.model import Facts, Finding, Machine, Package, Remedy, Severity, check, within

FALLS_BACK = "bitsandbytes>=0.50"
"""From here on it takes another minor version of the same CUDA."""
HAS = (
    "libbitsandbytes_cpu.so",
    "libbitsandbytes_cuda118.so",
    "libbitsandbytes_cuda128.so",
    "libbitsandbytes_rocm64.so",
)


def _facts(built: str | None, version: str = "0.50.2", hip: str | None = None, **variables: str) -> Facts:
    packages = {"torch": Package("torch", "2.13.0"), "bitsandbytes": Package("bitsandbytes", version)}
    binaries = Binaries(cuda=built, hip=hip, bitsandbytes=HAS)
    machine = Machine(backend="rocm" if hip else "cuda")
    return Facts(packages=packages, binaries=binaries, machine=machine, variables=variables)


@check(
    "gpu",
    Severity.ERROR,
    passes=[
        Facts(),
        _facts("12.8"),
        _facts("12.6"),
        _facts("12.8", "0.45.0"),
        _facts(None, hip="6.4.4"),
        _facts("13.0", BNB_CUDA_VERSION="128"),
        _facts(None),
    ],
    fails=[
        _facts("13.0"),
        _facts("12.6", "0.45.0"),
        _facts("12.8", BNB_CUDA_VERSION="124"),
        _facts(None, hip="7.0.1"),
    ],
)
def bitsandbytes_lacks_library(facts: Facts) -> Iterator[Finding]:
    """Choose as bitsandbytes does: the override, the very version, another one of the same major version."""
    binaries, own = facts.binaries, facts.packages.get("bitsandbytes")
    built = binaries.hip or binaries.cuda
    if own is None or not binaries.bitsandbytes or not built or facts.machine.backend not in ("cuda", "rocm"):
        return
    kind, variable = ("rocm", "BNB_ROCM_VERSION") if binaries.hip else ("cuda", "BNB_CUDA_VERSION")
    there = [match[1] for name in binaries.bitsandbytes if (match := re.match(rf"libbitsandbytes_{kind}(\d+)", name))]
    wanted = "".join(built.split(".")[:2])
    if override := facts.variables.get(variable):
        if override not in there:
            text = f"unset {variable}: bitsandbytes {own.version} has {kind} {', '.join(sorted(there)) or 'none'}"
            yield Finding(f"{variable} is {override}, and there is no such library", Remedy("advice", text))
        return
    major = 1 if binaries.hip else 2
    near = wanted in there or (
        within(FALLS_BACK, own.version) and any(each[:major] == wanted[:major] for each in there)
    )
    if not near:
        command = "pip install 'bitsandbytes>=0.50'"
        yield Finding(
            f"torch is built for {kind.upper()} {built}, and bitsandbytes {own.version} has libraries for "
            f"{', '.join(sorted(there)) or 'the CPU only'}",
            Remedy("command", f"run `{command}`", command),
        )
