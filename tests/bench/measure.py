"""Whole processes, measured: CPU seconds and peak memory of a command and its children."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds of CPU (user and system) of all its processes, peak memory of the largest in bytes,
    and seconds on the clock."""

    cpu: float
    memory: int
    wall: float


@dataclass(frozen=True)
class Command:
    """A command line, where and with which variables it runs, and the exit codes that are well."""

    words: tuple[str, ...]
    directory: Path
    variables: Mapping[str, str]
    codes: tuple[int, ...] = (0,)


def run(command: Command) -> Cost:
    """Run a command once; raises RuntimeError with its output where the exit code is not expected."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **command.variables}
    log = command.directory / "output.txt"
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command.words,
            cwd=command.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in command.codes:
        raise RuntimeError(f"{' '.join(command.words)} exited {process.returncode}:\n{log.read_text()[-3000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss * unit, wall)


def medians(commands: Sequence[Command], times: int) -> list[Cost]:
    """The median cost of each command; they take turns, so that a busy minute is shared by all."""
    for command in commands:
        run(command)  # caches of the file system and of Python are warm for everyone
    turns = [[run(command) for command in commands] for _ in range(times)]
    return [
        Cost(
            statistics.median(one.cpu for one in runs),
            max(one.memory for one in runs),
            statistics.median(one.wall for one in runs),
        )
        for runs in zip(*turns, strict=True)
    ]
