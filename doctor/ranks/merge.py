"""The answers of all ranks, as facts and findings of one report.  No I/O."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from doctor.diagnose import Diagnosis
from doctor.model import Facts, Finding, Location, Remedy, Severity
from doctor.rank import Rank, spoken
from doctor.ranks import Place
from doctor.ranks.traits import traits


def answer(place: Place, host: str, facts: Facts, diagnosis: Diagnosis) -> dict[str, Any]:
    """What one rank saw and found, as a JSON object."""
    findings = [{**dataclasses.asdict(f), "severity": f.severity and f.severity.value} for f in diagnosis.findings]
    own = Rank(place.rank, host, place.node, traits(facts))
    return {**dataclasses.asdict(own), "findings": findings}


def failed(place: Place, host: str, reason: str) -> dict[str, Any]:
    """What a rank says that could not scan."""
    return {**dataclasses.asdict(Rank(place.rank, host, place.node, silent=reason)), "findings": []}


def ranks(answers: Mapping[int, Mapping[str, Any]], place: Place, seconds: float) -> tuple[Rank, ...]:
    """Every rank of the launch; of one that was not heard, the host is that of its neighbours on the machine."""
    hosts = {int(heard["node"]): str(heard["host"]) for heard in answers.values()}
    found = []
    for number in range(place.world):
        if heard := answers.get(number):
            given = {str(name): str(value) for name, value in heard["traits"].items()}
            found.append(Rank(number, str(heard["host"]), int(heard["node"]), given, str(heard["silent"])))
        else:
            node = number // place.local if place.local else -1
            found.append(
                Rank(number, hosts.get(node, ""), max(node, 0), silent=f"no answer within {seconds:.0f} seconds")
            )
    return tuple(found)


def merged(answers: Mapping[int, Mapping[str, Any]]) -> tuple[Finding, ...]:
    """The findings of every rank, each once; one that not all have says on which it is."""
    found: dict[Finding, list[int]] = {}
    for number in sorted(answers):
        for finding in dict.fromkeys(map(_finding, answers[number]["findings"])):
            found.setdefault(finding, []).append(number)
    hosts = {number: str(heard["host"]) for number, heard in answers.items()}
    return tuple(
        finding
        if len(numbers) == len(answers)
        else replace(finding, message=f"{finding.message}; on {spoken(numbers, hosts)}")
        for finding, numbers in found.items()
    )


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """From the worst to the mildest, then as they came."""
    order: Sequence[Severity] = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity or Severity.HINT)))


def _finding(given: Mapping[str, Any]) -> Finding:
    where = Location(**given["where"]) if given["where"] else None
    severity = Severity(given["severity"]) if given["severity"] else None
    return Finding(**{**given, "remedy": Remedy(**given["remedy"]), "where": where, "severity": severity})
