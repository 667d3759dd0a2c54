"""One child process: a job to the interpreter that is verified, its events back; a crash is an answer like another."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Timer
from typing import Any

CHILD = Path(__file__).parent / "child" / "answer.py"
Say = Callable[[str], None]
LIMIT = 600
"""Seconds for one child, which loads and runs up to three models."""
HOW = {"built": ", its class called directly", "native": ", transformers' own class"}
FOREIGN = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "PYTORCH_TRANSFORMERS_", "DOCTOR_", "CUDA_VISIBLE", "PYTHON")
"""Variables that the child does not inherit."""


def ask(
    python: str, job: Mapping[str, Any], home: Path, say: Say, path: str = "", limit: float = LIMIT
) -> tuple[str, list[dict[str, Any]], str]:
    """The release, the answers to the job's runs, and why an answer is missing.

    `home` is the child's own Hugging Face home, `path` its PYTHONPATH; `say` hears how far it is.
    """
    home.mkdir(parents=True, exist_ok=True)
    (home / "job.json").write_text(json.dumps(job), "utf-8")
    with (home / "job.json").open("rb") as given, tempfile.TemporaryFile("w+", errors="replace") as errors:
        try:
            child = subprocess.Popen(
                [python, str(CHILD)], stdin=given, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8",
                errors="replace", env=_environment(home, path), cwd=home, start_new_session=os.name == "posix",
            )  # fmt: skip
        except OSError as error:
            return "", [], f"{python} cannot be started: {error.strerror}"
        timer = Timer(limit, _end, [child])
        timer.start()
        try:
            release, answers, ended = _heard(child, say)
        finally:
            late = not timer.is_alive()
            timer.cancel()
            _end(child)
        return release, answers, f"no answer within {limit:g} seconds" if late else ended or _last(errors, child.wait())


def _heard(child: subprocess.Popen[str], say: Say) -> tuple[str, list[dict[str, Any]], str]:
    """What a child tells until it ends."""
    release, answers, ended = "", list[dict[str, Any]](), ""
    assert child.stdout
    with child.stdout as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:  # cut off by its end
                continue
            release = event.get("release", release)
            if "run" in event:
                answers.append(event)
            elif "begun" in event:
                say(f"transformers {release}{HOW.get(event['begun'], '')}: {event['stage']}")
            ended = event.get("failed", "") if len(event) == 1 else ended
    child.wait()
    return release, answers, ended


def _environment(home: Path, path: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    ours = {
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**kept, **ours, **({"PYTHONPATH": path} if path else {})}


def _end(child: subprocess.Popen[str]) -> None:
    """Kill a child that has not ended, and what it started."""
    with contextlib.suppress(OSError):
        if child.poll() is None and os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        elif child.poll() is None:
            child.kill()


def _last(errors: Any, code: int) -> str:
    """How a child ended that left an answer out."""
    if code == 0:
        return ""
    if code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + (", out of memory perhaps" if name == "SIGKILL" else "")
    errors.seek(0)
    said = [line.strip() for line in errors if line.strip()]
    return f"exited with {code}" + (f": {said[-1]}" if said else "")
