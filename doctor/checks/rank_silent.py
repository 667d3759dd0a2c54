"""A rank of the launch did not answer.

Why it matters: a process group waits for every rank.  One that died, hangs or cannot reach rank 0 stops all others,
ten or thirty minutes later, with a timeout that names a collective and not the host.

What to do: look at that host's own output, and whether it reaches rank 0 on MASTER_PORT and the port after it.

Reference: https://pytorch.org/docs/stable/elastic/run.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from doctor.model import Facts, Finding, Remedy, Severity, check
from doctor.rank import Rank, spoken

HEARD = (Rank(0, "node-a"), Rank(1, "node-a"), Rank(2, "node-b"))


@check(
    "launch",
    Severity.ERROR,
    passes=[Facts(), Facts(ranks=HEARD)],
    fails=[Facts(ranks=(*HEARD, Rank(3, "node-b", silent="no answer within 60 seconds")))],
)
def rank_silent(facts: Facts) -> Iterator[Finding]:
    """Name the ranks of which nothing is known, by reason and host."""
    reasons: dict[str, list[int]] = defaultdict(list)
    for rank in facts.ranks:
        if rank.silent:
            reasons[rank.silent].append(rank.rank)
    hosts = {rank.rank: rank.host for rank in facts.ranks}
    for reason, numbers in reasons.items():
        yield Finding(
            f"{len(numbers)} of {len(facts.ranks)} ranks: {reason}: {spoken(numbers, hosts)}",
            Remedy(
                "advice", "read what these processes wrote, and try MASTER_PORT and the port after it from their host"
            ),
        )
