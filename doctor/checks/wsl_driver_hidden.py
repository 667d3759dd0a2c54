"""Under WSL, a Linux driver hides the one that Windows lends.

Why it matters: Windows' driver is mounted at /usr/lib/wsl/lib.  A driver that apt installed inside WSL is found before
it, talks to a kernel module that is not there, and `torch.cuda.is_available()` is False.

What to do: remove the Linux driver inside WSL and install the toolkit without it (`cuda-toolkit`, never `cuda` or
`cuda-drivers`).

Reference: https://docs.nvidia.com/cuda/wsl-user-guide/index.html
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import Facts, Finding, Machine, Remedy, Severity, check

CUDA = "/usr/lib/x86_64-linux-gnu/libcuda.so.1"


@check(
    "gpu",
    Severity.WARNING,
    passes=[Facts(), Facts(machine=Machine(wsl=True)), Facts(machine=Machine(hidden=None))],
    fails=[Facts(machine=Machine(wsl=True, hidden=CUDA))],
)
def wsl_driver_hidden(facts: Facts) -> Iterator[Finding]:
    """Report the library that hides Windows' own."""
    if facts.machine.wsl and facts.machine.hidden:
        command = "sudo apt-get remove --purge '^nvidia-.*' '^libnvidia-.*'"
        yield Finding(
            f"{facts.machine.hidden} comes from a Linux driver and is found before /usr/lib/wsl/lib/libcuda.so.1",
            Remedy("command", f"run `{command}` inside WSL", command),
        )
