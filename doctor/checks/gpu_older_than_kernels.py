"""The GPU is older than what a library's kernels, or bfloat16, need.

Why it matters: flash-attn stops in the first step ("FlashAttention only supports Ampere GPUs or newer").  bfloat16 has
no hardware before capability 8.0: it is emulated, several times slower than float16, and some kernels refuse it.

What to do: use `attn_implementation="sdpa"`, and `fp16=True` with `bnb_4bit_compute_dtype=torch.float16`.

Reference: https://github.com/Dao-AILab/flash-attention#nvidia-cuda-support
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import Facts, Finding, Gpu, Launch, Location, Machine, Package, Remedy, Severity, check

AMPERE = (8, 0)
KERNELS = {"flash-attn": (8, 0), "flash-attn-3": (9, 0)}
SDPA = 'use `attn_implementation="sdpa"`'


def _facts(capability: str | None, *names: str, precision: str = "no") -> Facts:
    machine = Machine(gpus=(Gpu("Card", 16 << 30, 15 << 30, capability),), backend="cuda")
    launch = Launch("/project/accelerate.yaml", {"mixed_precision": precision})
    return Facts(packages={name: Package(name, "2.8.3") for name in names}, machine=machine, launches=(launch,))


@check(
    "gpu",
    Severity.WARNING,
    passes=[
        Facts(),
        _facts("8.0", "flash-attn", precision="bf16"),
        _facts("7.5", "bitsandbytes", precision="fp16"),
        _facts(None, "flash-attn", precision="bf16"),
    ],
    fails=[_facts("7.5", "flash-attn"), _facts("8.9", "flash-attn-3"), _facts("7.0", precision="bf16")],
)
def gpu_older_than_kernels(facts: Facts) -> Iterator[Finding]:
    """Compare the newest card with what is installed, and with the precision of accelerate's configuration."""
    known = [(_pair(gpu.capability), gpu) for gpu in facts.machine.gpus if gpu.capability]
    if not known:
        return
    newest, gpu = max(known, key=lambda pair: pair[0])
    for name, least in KERNELS.items():
        if name in facts.packages and newest < least:
            yield Finding(
                f"{name} {facts.packages[name].version} needs capability {least[0]}.{least[1]}, and {gpu.name} has "
                f"{gpu.capability}",
                Remedy("advice", SDPA),
            )
    for launch in facts.launches:
        if launch.values.get("mixed_precision") == "bf16" and newest < AMPERE:
            yield Finding(
                f"mixed_precision is bf16, and {gpu.name} (capability {gpu.capability}) has no bfloat16",
                Remedy("config", "write `mixed_precision: fp16`", "mixed_precision: fp16"),
                Location(launch.path),
            )


def _pair(capability: str) -> tuple[int, int]:
    major, _, minor = capability.partition(".")
    return int(major), int(minor or 0)
