"""Another process holds much of a GPU's memory.

Why it matters: a model that fits the card does not fit what is left of it; a crashed notebook or an earlier run that
was not ended is the commonest cause of "CUDA out of memory" on a card that should be empty.

What to do: end that process, or choose another card with CUDA_VISIBLE_DEVICES.

Reference: https://docs.nvidia.com/deploy/nvidia-smi/index.html
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import Facts, Finding, Gpu, Holder, Machine, Remedy, Severity, check

SHARE = 0.1
"""So much of a card is worth a word."""
GIB = 1 << 30


def _facts(free: int, *holders: Holder) -> Facts:
    return Facts(machine=Machine(gpus=(Gpu("Card", 24 * GIB, free * GIB, "8.6", holders),), backend="cuda"))


@check(
    "gpu",
    Severity.HINT,
    passes=[Facts(), _facts(24), _facts(23, Holder(7, GIB, "Xorg")), _facts(12)],
    fails=[_facts(12, Holder(4711, 11 * GIB, "python")), _facts(12, Holder(4711))],
)
def gpu_memory_held(facts: Facts) -> Iterator[Finding]:
    """Name the processes of each card of which a tenth or more is taken."""
    for index, gpu in enumerate(facts.machine.gpus):
        taken = gpu.memory - gpu.free
        if not gpu.holders or taken < SHARE * gpu.memory:
            continue
        named = ", ".join(map(_named, gpu.holders[:4])) + (", ..." if len(gpu.holders) > 4 else "")
        pids = " ".join(str(holder.pid) for holder in gpu.holders)
        yield Finding(
            f"{taken / GIB:.1f} of {gpu.memory / GIB:.1f} GiB of GPU {index} ({gpu.name}) are taken: {named}",
            Remedy("advice", f"look at `ps -fp {pids}`, and end what is not wanted, or set CUDA_VISIBLE_DEVICES"),
        )


def _named(holder: Holder) -> str:
    what = f"{holder.name or 'a process not visible from here'}, pid {holder.pid}"
    return f"{what} ({holder.memory / GIB:.1f} GiB)" if holder.memory else what
