"""An installed distribution is outside the range that another one asks for in its metadata.

Why it matters: transformers compares huggingface-hub, tokenizers and others with its range when it is imported and
stops with ImportError; other distributions fail later and less clearly.  pip leaves this behind when a package is
upgraded on its own.

What to do: install a version within the range, or another release of the distribution that asks for it.

Reference: https://packaging.python.org/en/latest/specifications/dependency-specifiers/
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from doctor import releases
from doctor.model import Facts, Finding, Package, Python, Remedy, Severity, check, normalise

LINE = (
    r"^\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^]]*)\])?\s*\(?(?P<range>[^;()@]*)\)?\s*(?:;(?P<marker>.*))?$"
)
EXTRA = r"""extra\s*==\s*["']([^"']+)["']"""
SYSTEMS = {"Linux": ("linux", "posix"), "Darwin": ("darwin", "posix"), "Windows": ("win32", "nt")}


def _facts(version: str, *packages: Package) -> Facts:
    return Facts(Python(version=version), {package.name: package for package in packages})


HUB = Package("huggingface-hub", "2.4.0")
OLD = Package("transformers", "4.47.1", requires=("huggingface-hub<1.0,>=0.24.0", 'pytest<8 ; extra == "testing"'))
ASSUMED = Package("transformers", "4.47.1")
PYTEST = Package("pytest", "9.0")
BACKPORT = Package("tomli", "1.0")
POETRY = Package("poetry", "2", requires=("tomli (>=2) ; python_version < '3.11'",))


@check(
    "packages",
    Severity.ERROR,
    passes=[
        _facts("3.11.7", OLD, Package("huggingface-hub", "0.36.2")),
        _facts("3.11.7", OLD, PYTEST),
        _facts("3.11.7", POETRY, BACKPORT),
        _facts("3.11.7", Package("transformers", "5.23.0", requires=("huggingface-hub<3.0,>=1.31.0",)), HUB),
        Facts(packages={"transformers": ASSUMED, "huggingface-hub": HUB}, against="transformers==4.47.1"),
    ],
    fails=[
        _facts("3.11.7", OLD, HUB),
        Facts(
            packages={"transformers": replace(ASSUMED, path="/site"), "huggingface-hub": HUB},
            against="transformers==4.47.1",
        ),
        _facts("3.10.4", POETRY, BACKPORT),
        _facts("3.11.7", OLD, PYTEST, Package("mine", "1", requires=("transformers[testing]",))),
        Facts(
            packages={"transformers": Package("transformers", "5.23.0"), "tokenizers": Package("tokenizers", "0.21.4")}
        ),
    ],
)
def package_out_of_range(facts: Facts) -> Iterator[Finding]:
    """Compare every requirement on an installed distribution with its version."""
    wanted = {name: [line for line in _lines(package) if line["name"] in facts.packages]
              for name, package in facts.packages.items() if not _only_assumed(facts, package)}  # fmt: skip
    extras = _requested(wanted)
    broken: dict[str, dict[str, str]] = defaultdict(dict)
    held: dict[str, dict[str, str]] = defaultdict(dict)
    for name, lines in wanted.items():
        for line in lines:
            if line["range"] and _applies(line["marker"], extras[name]):
                kept = _holds(facts, line, extras[name])
                (held if kept else broken)[line["name"]][name] = line["range"]
    for name in sorted(broken):
        yield _finding(facts, name, broken[name], held[name])


def _only_assumed(facts: Facts, package: Package) -> bool:
    """Whether --against names a distribution that is not here: installing it would bring what it requires."""
    return bool(facts.against and not package.path and facts.against.partition("==")[0].strip() == package.name)


def _lines(package: Package) -> Iterator[dict[str, str]]:
    requires = package.requires
    if not requires and package.name == "transformers":
        # Assumed by --against, or with metadata that was lost: what the release asks for is known.
        requires = _known(package.version)
    for text in requires:
        match = re.match(LINE, text)
        if match:
            yield {
                "name": normalise(match["name"]),
                "extras": match["extras"] or "",
                "range": match["range"].strip(),
                "marker": match["marker"] or "",
            }


def _known(version: str) -> tuple[str, ...]:
    from packaging.version import InvalidVersion, Version

    try:
        return releases.requires(releases.minor(Version(version)))
    except InvalidVersion:
        return ()


def _requested(wanted: Mapping[str, list[dict[str, str]]]) -> Mapping[str, set[str]]:
    """The extras of each distribution that some installed one asks for."""
    found: dict[str, set[str]] = defaultdict(set)
    edges = [(name, line) for name, lines in wanted.items() for line in lines if line["extras"]]
    before = -1
    while before != (before := sum(map(len, found.values()))):
        for name, line in edges:
            if _applies(line["marker"], found[name]):
                found[line["name"]] |= {normalise(extra.strip()) for extra in line["extras"].split(",")}
    return found


def _applies(marker: str, extras: set[str]) -> bool:
    """Whether a marker can hold as far as extras go; the rest of it is asked only where a range is broken."""
    named = re.findall(EXTRA, marker) if "extra" in marker else []
    return not named or any(normalise(extra) in extras for extra in named)


def _holds(facts: Facts, line: Mapping[str, str], extras: set[str]) -> bool:
    version = facts.version(line["name"])
    specifier = _specifier(line["range"])
    if version is None or specifier is None or specifier.contains(version, prereleases=True):
        return True
    return bool(line["marker"]) and not _evaluate(line["marker"], facts, extras)


@lru_cache(maxsize=1024)
def _specifier(text: str):  # type: ignore[no-untyped-def]  # packaging is imported where it is needed
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return None


def _evaluate(text: str, facts: Facts, extras: set[str]) -> bool:
    """Whether a marker holds for the interpreter that is examined, with one of the requested extras."""
    from packaging.markers import InvalidMarker, Marker

    platform, name = SYSTEMS.get(facts.machine.system, ("linux", "posix"))
    version = facts.python.version
    environment = {
        "python_version": ".".join(version.split(".")[:2]),
        "python_full_version": version,
        "implementation_version": version,
        "platform_system": facts.machine.system,
        "sys_platform": platform,
        "os_name": name,
    }
    try:
        marker = Marker(text)
    except InvalidMarker:
        return False
    return any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *sorted(extras)))


def _finding(facts: Facts, name: str, broken: Mapping[str, str], held: Mapping[str, str]) -> Finding:
    """What clashes, and a command after which nothing does: pip resolves anew whoever asks for the opposite."""
    packages = facts.packages
    asked = "; ".join(
        f"{by} {packages[by].version} requires {name}{','.join(_ordered([asks]))}" for by, asks in broken.items()
    )
    range_ = ",".join(_narrowest(_ordered(broken.values())))
    others = [by for by, asks in held.items() if _clash([range_, asks])]
    anew = "".join(f" {by}" for by in ([*broken, *others] if _clash(broken.values()) else others))
    what = f"'{name}{range_}'" if not _clash(broken.values()) else name
    command = f"pip install {what}{anew}"
    return Finding(
        f"{name} {packages[name].version} is installed, but {asked}", Remedy("command", f"run `{command}`", command)
    )


def _ordered(ranges: Iterable[str]) -> list[str]:
    """The clauses of ranges, lower bounds first: `>=0.24.0`, `<1.0`."""
    clauses = {clause.strip() for range_ in ranges for clause in range_.split(",") if clause.strip()}
    return sorted(clauses, key=lambda clause: (clause.startswith("<"), clause.startswith("!"), clause))


def _narrowest(clauses: list[str]) -> list[str]:
    """The clauses without those `>=` and `<` that another one implies."""
    from packaging.version import Version

    lower = [clause for clause in clauses if clause.startswith(">=")]
    upper = [clause for clause in clauses if re.match("<[^=]", clause)]
    keep = {
        max(lower, key=lambda clause: Version(clause[2:]), default=""),
        min(upper, key=lambda c: Version(c[1:]), default=""),
    }
    return [clause for clause in clauses if clause in keep or clause not in (*lower, *upper)]


def _clash(ranges: Iterable[str]) -> bool:
    """Whether no version can be in all of the ranges, as far as their bounds tell."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    clauses = _ordered(ranges)
    bounds = [
        match[1] for clause in clauses if (match := re.match(r"[<>=~]=?=?\s*([\w.]+)$", clause.removesuffix(".*")))
    ]
    tried = [Version(bound) for bound in bounds]
    tried += [Version(f"{bound}.1") for bound in bounds if bound[-1].isdigit()]
    tried += [
        Version(f"{v.major}.{v.minor - 1}.999" if v.minor else f"{v.major - 1}.999")
        for v in tried
        if v.major or v.minor
    ]
    both = SpecifierSet(",".join(clauses))
    return not any(both.contains(version, prereleases=True) for version in tried)
