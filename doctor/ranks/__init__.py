"""Many processes, one report: under torchrun or accelerate every rank scans, and rank 0 hears what they saw.

The bytes go over sockets of the doctor's own, not over torch.distributed: a rank whose torch is broken, missing or of
another version is what this is to find, and such a rank never joins a process group.  Rank 0 listens beside the
launcher's own port, at MASTER_PORT + 1 or the first free one of the next few.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun, `accelerate launch` and deepspeed set for every process; a queue alone sets no LOCAL_RANK."""


@dataclass(frozen=True)
class Place:
    """Where this process stands among the others of one launch."""

    rank: int
    world: int
    node: int
    """Which of the machines, from 0."""
    local: int
    """How many ranks a machine has; 0: unknown."""
    address: str
    """The host of rank 0."""
    port: int
    run: str
    """Names the launch, so that no other one is answered."""


def place(environment: Mapping[str, str]) -> Place | None:
    """The place that a launcher gave this process, None where it runs alone."""
    if not all(environment.get(name) for name in NEEDED):
        return None
    try:
        numbers = {name: int(environment[name]) for name in NEEDED if name != "MASTER_ADDR"}
        local = int(environment.get("LOCAL_WORLD_SIZE") or 0)
        node = int(environment.get("GROUP_RANK") or (numbers["RANK"] // local if local else 0))
    except ValueError:
        return None
    if numbers["WORLD_SIZE"] < 2:
        return None
    run = f"{environment.get('TORCHELASTIC_RUN_ID', '')} {numbers['MASTER_PORT']} {numbers['WORLD_SIZE']}"
    return Place(
        numbers["RANK"], numbers["WORLD_SIZE"], node, local, environment["MASTER_ADDR"], numbers["MASTER_PORT"], run
    )
