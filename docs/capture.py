"""Records README's capture: check, fix, check and undo of a broken model folder, as they really print.

`python docs/capture.py MODEL_FOLDER ENVIRONMENT` copies the folder's code and configuration to a scratch place, runs
the four commands there with the environment active, and writes docs/assets/capture.svg and docs/assets/capture.txt.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ASSETS = Path(__file__).parent / "assets"
WIDTH = 100
MODEL = "phi-3-mini"
COMMANDS = (f"check {MODEL}", f"fix --yes {MODEL}", f"check {MODEL}", "undo")
PAGE = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Without the fonts that rich would have a browser fetch."""


def main(model: Path, environment: Path) -> None:
    """Run the commands and write both recordings."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(model, Path(scratch, "work", MODEL), ignore=shutil.ignore_patterns("*.safetensors", "*.bin"))
        Path(scratch, "venv").symlink_to(environment)
        for command in COMMANDS:
            console.print(f"[bold green]~/work $[/] [bold]doctor {command}[/]", highlight=False)
            console.print(Text.from_ansi(run(command.split(), Path(scratch)).rstrip()))
            console.print()
    ASSETS.mkdir(exist_ok=True)
    text = console.export_text(clear=False)
    (ASSETS / "capture.txt").write_text("".join(f"{line.rstrip()}\n" for line in text.splitlines()), "utf-8")
    (ASSETS / "capture.svg").write_text(console.export_svg(title="doctor", theme=MONOKAI, code_format=PAGE), "utf-8")


def run(words: list[str], home: Path) -> str:
    """What a command prints in colour, at the capture's width, with a home and a journal of its own."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "VIRTUAL_ENV": str(home / "venv"),
        "FORCE_COLOR": "1",
        "COLUMNS": str(WIDTH),
        "TERM": "xterm-256color",
    }
    command = [sys.executable, "-m", "doctor", *words]
    return subprocess.run(command, cwd=home / "work", env=environment, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
