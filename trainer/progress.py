"""How far a run is: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from doctor.size import gib
from doctor.trainer.report.words import clock
from doctor.trainer.run_folder import Metric, Told

EVERY = 10.0
"""Seconds between plain lines of training; every measurement has its line."""
WIDE = 100
"""Columns that a whole live line needs."""


@contextmanager
def progress(updates: int, done: int, file: TextIO | None = None) -> Iterator[Told]:
    """Show metrics as they come, on stderr."""
    file = file or sys.stderr
    if file.isatty():
        with _Live(updates, done, file) as live:
            yield live.tell
    else:
        yield _Plain(updates, file).tell


def learning(metric: Metric, narrow: bool = False) -> str:
    """What a line of training says; a narrow one leaves out the memory."""
    parts = [f"loss {metric['loss']:.4f}", f"{metric['tokens_per_second']:,.0f} tokens/s"]
    return " · ".join(parts if narrow else [*parts, gib(metric["memory"])])


class _Plain:
    def __init__(self, updates: int, file: TextIO) -> None:
        self.updates, self.file, self.last, self.began = updates, file, 0.0, time.monotonic()
        self.first: int | None = None

    def tell(self, metric: Metric) -> None:
        now, step = time.monotonic(), metric["step"]
        if "eval_loss" in metric:
            self.say(f"update {step} of {self.updates}: held-out loss {metric['eval_loss']:.4f}")
            return
        if self.first is None:
            self.first = step - 1
        if now - self.last < EVERY and step != self.updates:
            return
        self.last = now
        left = (now - self.began) / (step - self.first) * (self.updates - step)
        self.say(f"update {step} of {self.updates}: {learning(metric)} · {clock(left)} left")

    def say(self, line: str) -> None:
        self.file.write(f"{line}\n")
        self.file.flush()


class _Live:
    def __init__(self, updates: int, done: int, file: TextIO) -> None:
        console = Console(file=file, highlight=False, emoji=False)
        self.narrow = console.width < WIDE
        self.bar = Progress(
            BarColumn(bar_width=8 if self.narrow else None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
        )
        self.task = self.bar.add_task("", total=updates, completed=done, said="")
        self.said = self.held = ""

    def __enter__(self) -> _Live:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def tell(self, metric: Metric) -> None:
        if "eval_loss" in metric:
            self.held = f"held-out {metric['eval_loss']:.4f}"
        else:
            self.said = learning(metric, self.narrow)
        self.bar.update(self.task, completed=metric["step"], said=" · ".join(filter(None, (self.said, self.held))))
