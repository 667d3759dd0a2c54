"""What the remedies of a diagnosis ask of an environment, as one set of requirements.  No I/O."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from doctor.diagnose import Diagnosis
from doctor.fix import Left
from doctor.install import TORCH, Pin
from doctor.model import Facts, Finding, Package, Severity, normalise, within

SWAPS_TORCH = "it would put another build of torch in the place of {}, which the doctor does not do"
BUILDS = "it is compiled for this torch while it is installed, which the doctor does not do"
OUT_OF_RANGE = "package-out-of-range"
BY_HAND = "run the remedy's own command where that is what you want"


@dataclass(frozen=True)
class Wishes:
    """What a set of remedies asks for."""

    requirements: tuple[str, ...] = ()
    """As in PEP 508; a bare name asks for any version that fits, the installed one where it does."""
    removed: tuple[str, ...] = ()
    """Distributions to take out."""
    left: tuple[Left, ...] = ()
    """Remedies that are not part of it, and why."""

    @property
    def names(self) -> frozenset[str]:
        """The distributions that may move."""
        return frozenset(map(_name, self.requirements))

    def __bool__(self) -> bool:
        return bool(self.requirements or self.removed)


def wishes(diagnosis: Diagnosis, facts: Facts, pins: Sequence[Pin] = ()) -> Wishes:
    """The wishes of every error and warning whose remedy is pip's to carry out; a hint moves no package."""
    requirements, ranges, removed, left = dict[str, None](), dict[str, None](), dict[str, None](), list[Left]()
    for finding in diagnosis.findings:
        for words in commands(finding):
            if finding.severity is Severity.HINT:
                continue
            if reason := _refused(words, facts, pins):
                left.append(Left(finding.id, reason, BY_HAND))
            elif words[0] == "uninstall":
                removed |= dict.fromkeys(map(normalise, words[1:]))
            elif finding.id == OUT_OF_RANGE:
                ranges |= dict.fromkeys(words[1:])
            else:
                requirements |= dict.fromkeys(words[1:])
    # A range that was asked for by a distribution which moves itself may be another one afterwards.
    moving = set(map(_name, requirements))
    asking = {name for by in moving if by in facts.packages for name in needs(facts.packages[by])}
    requirements |= {_name(text) if _name(text) in asking else text: None for text in ranges}
    return Wishes(tuple(_without_bare(requirements)), tuple(removed), tuple(dict.fromkeys(left)))


def commands(finding: Finding) -> Iterator[list[str]]:
    """The pip commands of a remedy, each as its verb and its words."""
    if finding.remedy.kind != "command" or not finding.remedy.value:
        return
    for part in finding.remedy.value.split("&&"):
        words = shlex.split(part)
        if "pip" in words and words[words.index("pip") + 1 :][:1] in (["install"], ["uninstall"]):
            yield words[words.index("pip") + 1 :]


def _refused(words: Sequence[str], facts: Facts, pins: Sequence[Pin]) -> str:
    names = [normalise(_name(word)) for word in words[1:] if not word.startswith("-")]
    builds = [facts.packages[name].version for name in names if name in TORCH and name in facts.packages]
    if TORCH.intersection(names):
        return SWAPS_TORCH.format(f"the installed {builds[0]}" if builds else "none")
    if any(word.startswith("-") for word in words):
        return BUILDS if "--no-build-isolation" in words else f"its command has options: {shlex.join(words)}"
    for word in words[1:] if words[0] == "install" else ():
        for pin in pins:
            if normalise(_name(pin.requirement)) == normalise(_name(word)) and _excludes(pin.requirement, word):
                return f"{pin} rules out {word}: change it there first"
    return ""


def _excludes(pin: str, wish: str) -> bool:
    """Whether a pin of one version is outside a wish; of other ranges the resolver is the judge."""
    exact = re.search(r"===?\s*([\w.!+-]+)\s*$", pin)
    return bool(exact) and not within(wish, exact[1])  # type: ignore[index]


def _without_bare(requirements: Iterable[str]) -> Iterator[str]:
    """The requirements, less the bare names of what another one gives a range for."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for text in requirements:
        by_name[normalise(_name(text))].append(text)
    for texts in by_name.values():
        ranged = [text for text in texts if text != _name(text)]
        yield from ranged or texts[:1]


def needs(package: Package) -> set[str]:
    """The names that a distribution asks for, without those of its extras."""
    lines = [line for line in package.requires if "extra" not in line.partition(";")[2]]
    return {normalise(_name(line.strip())) for line in lines}


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9][\w.-]*", requirement)
    return match[0] if match else requirement
