"""A library fails while it is imported, or finds no GPU, as `--probe` saw.

Why it matters: the metadata say which versions are there, not whether their compiled parts load.  A segmentation
fault, an undefined symbol or an import that never ends stops every training script at its first line.

What to do: read the last lines it wrote, which the message has; reinstall that library for this torch and this Python.

Reference: https://docs.python.org/3/library/faulthandler.html
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import Facts, Finding, Machine, Package, Remedy, Severity, check
from doctor.probe import Probe

PACKAGES = {"torch": Package("torch", "2.13.0"), "flash-attn": Package("flash-attn", "2.8.3")}
SYMBOL = "ImportError: flash_attn_2_cuda.so: undefined symbol: _ZN3c105ErrorC2E"
BLIND = Probe("torch", answer={"cuda": "12.8", "available": "False"})


@check(
    "probe",
    Severity.ERROR,
    passes=[
        Facts(packages=PACKAGES),
        Facts(packages=PACKAGES, probes=(Probe("torch", said="UserWarning: x"),)),
        Facts(packages=PACKAGES, probes=(BLIND,)),
    ],
    fails=[
        Facts(packages=PACKAGES, probes=(Probe("torch"), Probe("flash-attn", "fails", SYMBOL))),
        Facts(packages=PACKAGES, probes=(Probe("torch", "is killed by SIGSEGV", "Fatal Python error"),)),
        Facts(packages=PACKAGES, probes=(BLIND,), machine=Machine(backend="cuda")),
    ],
)
def import_fails(facts: Facts) -> Iterator[Finding]:
    """Report each import that did not end well, with the last lines of what it wrote."""
    for probe in facts.probes:
        package = facts.packages.get(probe.distribution)
        name = f"{probe.distribution} {package.version}" if package else probe.distribution
        if probe.failed:
            said = f": {' | '.join(probe.said.splitlines())}" if probe.said else ", and wrote nothing"
            command = f"pip install --force-reinstall --no-deps {probe.distribution}"
            text = f"mend what the last line names; where only the files are damaged, run `{command}`"
            yield Finding(f"import of {name}: it {probe.failed}{said}", Remedy("advice", text))
        elif probe.answer.get("available") == "False" and probe.answer.get("cuda") not in (None, "None"):
            if facts.machine.backend == "cuda":
                text = "look at the driver, at CUDA_VISIBLE_DEVICES, and at `nvidia-smi`"
                yield Finding(
                    f"{name}, built for CUDA {probe.answer['cuda']}, is imported and finds no GPU",
                    Remedy("advice", text),
                )
