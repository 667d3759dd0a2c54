"""The ranks of a launch are not alike: versions, drivers, cached code, model revisions or variables differ.

Why it matters: ranks that run different code ask for different collectives and wait for each other until a time
limit; other versions, or another revision of the model, train on silently with gradients of two different models.

What to do: make the environments equal, best from one lock file or one image; the message says which hosts differ.

Reference: https://pytorch.org/docs/stable/elastic/run.html
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from doctor.model import Facts, Finding, Remedy, Severity, check
from doctor.rank import Rank, spoken

STACK = re.compile(
    r"(torch|transformers|peft|accelerate|trl|bitsandbytes|deepspeed|flash-attn|tokenizers|safetensors|triton|datasets"
    r"|liger-kernel|huggingface-hub|nvidia-nccl.*)$"
)
"""Distributions that take part in every step, or in what every rank reads."""
ADVICE = {
    "package": "install the same versions on every host",
    "driver": "install the same driver on every host",
    "gpus": "launch on hosts with the same GPUs, or give the slower ones smaller batches",
    "python": "make every environment with the same Python",
    "code": "download the model anew on every host, with the same `revision`",
    "revision": "download the model on every host with the same `revision`",
    "variable": "set it the same for every rank, e.g. in the launch script",
    "system": "launch on hosts of one system",
}
WORST = {"code": Severity.ERROR, "revision": Severity.ERROR, "gpus": Severity.HINT}
MANY = 3
"""So many values are told apart, the commonest first."""


def _two(**traits: str) -> Facts:
    same = {"python": "3.11.7", "package torch": "2.13.0", "package idna": "3.1", "variable NCCL_DEBUG": "INFO"}
    other = {**same, **{name.replace("__", " "): value for name, value in traits.items()}}
    return Facts(ranks=(Rank(0, "node-a", 0, same), Rank(1, "node-a", 0, same), Rank(2, "node-b", 1, other)))


@check(
    "launch",
    Severity.WARNING,
    passes=[
        Facts(),
        _two(),
        Facts(ranks=(Rank(0, "a", traits={"driver": "550"}), Rank(1, "b", silent="no answer"))),
    ],
    fails=[
        _two(package__torch="2.12.0"),
        _two(package__idna="3.2"),
        _two(package__peft="0.21.2"),
        _two(variable__NCCL_DEBUG="WARN"),
        _two(python="3.12.1"),
    ],
)
def ranks_differ(facts: Facts) -> Iterator[Finding]:
    """Compare every trait over the ranks that were heard."""
    heard = [rank for rank in facts.ranks if not rank.silent]
    hosts = {rank.rank: rank.host for rank in heard}
    others: list[str] = []
    for name in dict.fromkeys(name for rank in heard for name in rank.traits):
        values: dict[str, list[int]] = defaultdict(list)
        for rank in heard:
            values[rank.traits.get(name, "absent")].append(rank.rank)
        if len(values) == 1:
            continue
        kind, _, what = name.partition(" ")
        if kind == "package" and not STACK.match(what):
            others.append(what)
            continue
        yield Finding(
            f"{what or kind} is {_told(values, hosts)}",
            Remedy("advice", ADVICE[kind]),
            construct=f"{kind}:{what}",
            severity=_severity(kind, what, values),
        )
    if others:
        more = f" and {len(others) - 8} more" if len(others) > 8 else ""
        message = f"other distributions have different versions, too: {', '.join(sorted(others)[:8])}{more}"
        yield Finding(message, Remedy("advice", ADVICE["package"]), severity=Severity.HINT)


def _severity(kind: str, what: str, values: Mapping[str, list[int]]) -> Severity:
    if kind == "package" or kind in WORST:
        return WORST.get(kind, Severity.ERROR)
    # A folder may well lie elsewhere on another host.
    folders = kind == "variable" and any("/" in value for value in values)
    return Severity.HINT if folders else Severity.WARNING


def _told(values: Mapping[str, list[int]], hosts: Mapping[int, str]) -> str:
    """`2.13.0 on node-a (ranks 0 to 7); 2.12.0 on node-b (ranks 8 to 15)`, the commonest value first."""
    ordered = sorted(values.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    parts = [f"{value or 'empty'} on {spoken(numbers, hosts)}" for value, numbers in ordered[:MANY]]
    more = len(ordered) - MANY
    return "; ".join([*parts, *([f"{more} other values elsewhere"] if more > 0 else [])])
