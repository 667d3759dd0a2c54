"""An accelerate configuration names several machines and cannot bring them together.

Why it matters: every machine asks for the first one at `None:29500` and waits until a time limit ends it.  Processes
that do not divide by the machines are rounded down without a word: three on two machines run as two.

What to do: write the address of the first machine as `main_process_ip`, the same `main_process_port` everywhere, a
`machine_rank` from 0 on, and as many processes as GPUs on all machines together.

Reference: https://huggingface.co/docs/accelerate/package_reference/cli
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from doctor.model import Facts, Finding, Launch, Location, Remedy, Severity, check

TWO: Mapping[str, Any] = {
    "distributed_type": "MULTI_GPU",
    "num_machines": 2,
    "machine_rank": 0,
    "num_processes": 4,
    "main_process_ip": "10.0.0.1",
    "main_process_port": 29500,
}


def _facts(**values: Any) -> Facts:
    return Facts(launches=(Launch("/project/accelerate.yaml", {**TWO, **values}),))


@check(
    "launch",
    Severity.ERROR,
    passes=[
        _facts(),
        _facts(num_machines=1, main_process_ip=None, num_processes=3),
        _facts(main_process_ip=None, distributed_type="DEEPSPEED", deepspeed_multinode_launcher="pdsh"),
        _facts(num_machines="two"),
    ],
    fails=[_facts(main_process_ip=None), _facts(num_processes=3), _facts(machine_rank=2)],
)
def machines_without_address(facts: Facts) -> Iterator[Finding]:
    """Look at each configuration that names more than one machine."""
    for launch in facts.launches:
        machines = launch.values.get("num_machines")
        if isinstance(machines, int) and machines > 1:
            yield from _findings(launch, machines)


def _findings(launch: Launch, machines: int) -> Iterator[Finding]:
    where = Location(launch.path)
    values = launch.values
    by_host = values.get("deepspeed_multinode_launcher", "standard") in ("pdsh", "openmpi", "mvapich", "mpich")
    if not values.get("main_process_ip") and not by_host:
        text = "write the address of the machine of rank 0, the same on every machine"
        yield Finding(
            f"num_machines is {machines} and main_process_ip is not set: every machine looks for the first at `None`",
            Remedy("config", text, "main_process_ip: ADDRESS_OF_RANK_0"),
            where,
            "address",
        )
    processes = values.get("num_processes")
    if isinstance(processes, int) and processes % machines:
        most = processes - processes % machines
        yield Finding(
            f"num_processes is {processes} on {machines} machines: {processes // machines} run on each, {most} in all",
            Remedy("config", "write the number of GPUs on all machines together", f"num_processes: {most + machines}"),
            where,
            "processes",
            severity=Severity.WARNING,
        )
    rank = values.get("machine_rank")
    if isinstance(rank, int) and not 0 <= rank < machines:
        yield Finding(
            f"machine_rank is {rank}, and num_machines {machines} has the ranks 0 to {machines - 1}",
            Remedy("config", "count the machines from 0", f"machine_rank: {machines - 1}"),
            where,
            "rank",
        )
