"""What of a scan must be the same on every rank, as short texts by name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from doctor.model import Facts

OWN = frozenset(
    {
        "ACCELERATE_PROCESS_INDEX",
        "CUDA_VISIBLE_DEVICES",
        "HIP_VISIBLE_DEVICES",
        "LOCAL_RANK",
        "NVIDIA_VISIBLE_DEVICES",
        "RANK",
        "ROCR_VISIBLE_DEVICES",
    }
)
"""Variables that every rank has for itself."""


def traits(facts: Facts) -> dict[str, str]:
    """Name to value: `package peft`, `driver`, `variable NCCL_DEBUG`, `code OWNER/NAME modeling_x.py`, ..."""
    return dict(_traits(facts))


def _traits(facts: Facts) -> Iterator[tuple[str, str]]:
    machine = facts.machine
    yield "python", facts.python.version
    yield "gpus", ", ".join(f"{n} x {name}" for name, n in Counter(gpu.name for gpu in machine.gpus).items()) or "none"
    yield "driver", machine.driver or "none"
    yield "system", machine.system
    for name, package in facts.packages.items():
        yield f"package {name}", package.version
    for name, value in facts.variables.items():
        if name not in OWN:
            yield f"variable {name}", value
    for source in facts.sources:
        if source.kind == "remote-code" and source.digest:
            whose = source.repository or os.path.dirname(source.path)  # noqa: PTH120
            yield f"code {whose} {os.path.basename(source.path)}", source.digest[:12]  # noqa: PTH119
    for model in facts.models:
        if model.repository and model.revision:
            yield f"revision {model.repository}", model.revision[:12]
