"""Wishes to versions, by the resolver that will install them: pip of the examined interpreter, or uv.

First everything else stays at the version that is installed; where that has no answer, what the wished-for
distributions need, and what needs them, may move as well.  torch never does, nor what the project pins.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from doctor.install import TORCH, Installer, Move, Pin
from doctor.install.wishes import Wishes, needs
from doctor.model import Facts, Package, normalise

LIMIT = 600.0
"""Seconds for one answer of a resolver."""
REPORTS = (22, 3)
"""The first pip that both resolves without installing and does so for another interpreter."""
STAYS = TORCH | {"transformers", "pip", "setuptools"}
"""What moves only where a remedy names it; torch not even then."""


@dataclass(frozen=True)
class Resolution:
    """What would be installed; where there is no answer, `reason` says why and `moves` is empty."""

    moves: tuple[Move, ...] = ()
    reason: str = ""


def installer(facts: Facts) -> Installer | None:
    """uv where the environment is uv's, else pip of the environment, else the doctor's own pip, else uv."""
    python, pip = facts.python.executable, facts.packages.get("pip")
    uv = shutil.which("uv")
    ours = Installer("uv pip", (uv, "pip"), ("--python", python)) if uv else None
    if ours and (facts.python.kind == "uv" or pip is None):
        return ours
    if pip and _numbers(pip.version) >= REPORTS:
        return Installer("pip", (python, "-m", "pip"))
    if _numbers(_own_pip()) >= REPORTS:
        return Installer("pip", (sys.executable, "-m", "pip", "--python", python))
    return ours


def _own_pip() -> str:
    try:
        return importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def resolve(wishes: Wishes, facts: Facts, with_: Installer, pins: Sequence[Pin] = ()) -> Resolution:
    """Ask the package index, through the installer; nothing is changed."""
    if not wishes.requirements:
        return Resolution()
    dependents = sorted(name for name, package in facts.packages.items() if needs(package) & wishes.names)
    wanted = [*wishes.requirements, *(name for name in dependents if name not in wishes.names | set(wishes.removed))]
    free = wishes.names | set(wishes.removed)
    reason = ""
    for more in ((), (*dependents, *_below(wishes.names, facts.packages))):
        movable = free | {name for name in more if name not in STAYS and _plain(facts.packages.get(name))}
        answer = _ask(wanted, _constraints(facts.packages, movable, pins), with_)
        if not isinstance(answer, str):
            return _checked(answer, facts)
        reason = answer
    return Resolution(reason=reason)


def _checked(answer: Mapping[str, str], facts: Facts) -> Resolution:
    before = {name: facts.packages[name].version if name in facts.packages else None for name in answer}
    moves = tuple(Move(name, before[name], after) for name, after in sorted(answer.items()) if before[name] != after)
    if builds := [f"{move.name} {move.after}" for move in moves if move.name in TORCH]:
        there = ", ".join(f"{name} {facts.packages[name].version}" for name in sorted(TORCH & set(facts.packages)))
        what = f"in the place of {there}" if there else "where there is no torch"
        return Resolution(reason=f"it would install {', '.join(builds)} {what}: choose its build for this GPU yourself")
    return Resolution(moves)


def way_back(moves: Sequence[Move], with_: Installer) -> str:
    """Why the versions before could not be had again from the package index; empty where they can."""
    old = [move for move in moves if move.before]
    if not old:
        return ""
    done = run([*with_.install(old, back=True), "--dry-run"])
    return said(done) if done.returncode else ""


def _ask(wanted: Iterable[str], constraints: Iterable[str], with_: Installer) -> dict[str, str] | str:
    """The versions that would be installed, by name; or why there is no answer."""
    with tempfile.TemporaryDirectory(prefix="doctor-resolve-") as folder:
        requirements, kept, report = (Path(folder, name) for name in ("wanted.txt", "kept.txt", "report.json"))
        requirements.write_text("".join(f"{line}\n" for line in wanted), "utf-8")
        kept.write_text("".join(f"{line}\n" for line in constraints), "utf-8")
        words = ["--dry-run", "-r", str(requirements), "-c", str(kept)]
        if with_.name == "pip":
            words += ["--prefer-binary", "--no-input", "--report", str(report)]
        try:
            done = run(with_.line("install", *words))
        except subprocess.TimeoutExpired:
            return f"{with_.name} gave no answer within {LIMIT:g} seconds"
        except OSError as error:
            return f"{with_.command[0]} cannot be started: {error.strerror}"
        if done.returncode:
            return said(done)
        if with_.name == "pip":
            entries = json.loads(report.read_text("utf-8"))["install"]
            return {normalise(entry["metadata"]["name"]): entry["metadata"]["version"] for entry in entries}
        return {normalise(name): version for name, version in re.findall(r"^ \+ ([\w.-]+)==(\S+)", done.stderr, re.M)}


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """An installer to its end, with its output.  Raises TimeoutExpired after LIMIT, OSError where there is no such."""
    return subprocess.run(
        command,
        capture_output=True,
        check=False,
        encoding="utf-8",
        env=environment(),
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=LIMIT,
    )


def environment() -> dict[str, str]:
    """The user's variables, with their index and proxies, less those by which Python would find other packages."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1"}


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The reason an installer gives for its failure, less its advice."""
    rows = [row.strip() for row in f"{done.stdout}\n{done.stderr}".splitlines()]
    start = next((i for i, row in enumerate(rows) if row.startswith("The conflict is caused by")), None)
    if start is not None:
        caused = rows[start + 1 :]
        return "; ".join(caused[: next((i for i, row in enumerate(caused) if not row), len(caused))])
    errors = [row.removeprefix("ERROR: ") for row in rows if row.startswith(("ERROR:", "error:"))]
    if errors == ["Exception:"]:  # a traceback of pip's own
        return next(row for row in reversed(rows) if row)
    if errors:
        return "; ".join(dict.fromkeys(errors))
    words = [re.sub(r"^[×╰│├─▶ ]+", "", row) for row in rows if re.match("[×╰│├]", row)] or rows
    return " ".join(word for word in words if word) or f"exit code {done.returncode}"


def _constraints(packages: Mapping[str, Package], movable: frozenset[str], pins: Sequence[Pin]) -> Iterator[str]:
    from packaging.version import InvalidVersion, Version

    for name, package in packages.items():
        try:
            version = Version(package.version)
        except InvalidVersion:
            continue
        if name not in movable and not package.editable:
            yield f"{name}=={version}"
    yield from (pin.requirement for pin in pins if normalise(re.split(r"[^\w.-]", pin.requirement)[0]) in movable)


def _below(names: frozenset[str], packages: Mapping[str, Package]) -> set[str]:
    """The installed distributions that these need, and what those need."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        package = packages.get(waiting.pop())
        fresh = (needs(package) & set(packages)) - found if package else set()
        found |= fresh
        waiting += fresh
    return found


def _plain(package: Package | None) -> bool:
    """Whether a distribution came from an index, as far as its metadata tell."""
    return package is None or not (package.editable or "+" in package.version)
