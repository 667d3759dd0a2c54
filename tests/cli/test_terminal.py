"""What only a terminal shows: the question, colour, Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

PATIENCE = 120
"""Seconds after which a doctor that says nothing is killed."""
DOCTOR = [sys.executable, "-m", "doctor"]


def talk(arguments: list[str], answer: str | signal.Signals | None = None, **variables: str) -> tuple[int, str]:
    """Run the doctor on a terminal and answer the question it ends with; its exit code and what it showed."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    process = subprocess.Popen([*DOCTOR, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown, end, again = "", time.monotonic() + PATIENCE, 0.0
    while time.monotonic() < end:
        if select.select([ours], [], [], 1)[0]:
            try:
                shown += os.read(ours, 4096).decode("utf-8", "replace")
            except OSError:  # Linux says so when the other end is closed
                break
        if "[y/N]" in shown and isinstance(answer, str):
            os.write(ours, answer.encode())
            answer = None
        elif "[y/N]" in shown and answer is not None and time.monotonic() > again:
            # Sent again where it was not heard: a signal just before the read waits for the next one.
            process.send_signal(answer)
            again = time.monotonic() + 5
    else:
        process.kill()
    os.close(ours)
    return process.wait(), shown


def test_yes_applies(work: Path) -> None:
    code, shown = talk(["fix", "tiny"], "y\n")
    assert code == 0
    assert "Take it back" in shown
    assert "_doctor_" in (work / "tiny" / "modeling_tiny.py").read_text("utf-8")


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_anything_else_does_not(work: Path, answer: str) -> None:
    code, shown = talk(["fix", "tiny"], answer)
    assert code == 1
    assert "Nothing was changed." in shown
    assert "_doctor_" not in (work / "tiny" / "modeling_tiny.py").read_text("utf-8")


def test_interrupted_at_the_question(work: Path) -> None:
    code, shown = talk(["fix", "tiny"], signal.SIGINT)
    assert code == 130
    assert "Traceback" not in shown
    assert "_doctor_" not in (work / "tiny" / "modeling_tiny.py").read_text("utf-8")


def test_colour_is_for_terminals_that_want_it(work: Path) -> None:
    _, coloured = talk(["check", "tiny"])
    assert "\x1b[1;31m✗" in coloured
    _, plain = talk(["check", "tiny"], NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", plain)
    piped = subprocess.run([*DOCTOR, "check", "tiny"], capture_output=True, text=True).stdout
    assert "\x1b" not in piped


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_width_shows_whole_paths_and_commands(work: Path, width: int) -> None:
    _, shown = talk(["check", "tiny"], COLUMNS=str(width))
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "tiny/modeling_tiny.py:10\r\n" in text
    assert "      doctor fix tiny\r\n" in text
    assert max(map(len, text.splitlines())) <= width
