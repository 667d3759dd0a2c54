"""Records README's capture: check, fix, check and undo of a broken model folder, as they really print.

`python docs/capture.py MODEL_FOLDER [OPTION...]` copies the folder to a scratch place, runs the four commands there
(with the options, e.g. `--python PATH`) and writes docs/assets/capture.svg and docs/assets/capture.txt.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ASSETS = Path(__file__).parent / "assets"
WIDTH = 100


def main(folder: Path, options: list[str]) -> None:
    """Run the commands and write both recordings."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(folder, Path(scratch, folder.name))
        for command in ("check", "fix --yes", "check", "undo"):
            words = [*command.split(), *([] if command == "undo" else [*options, folder.name])]
            console.print(f"[bold green]$[/] [bold]doctor {shlex.join(words)}[/]", highlight=False)
            console.print(Text.from_ansi(run(words, scratch)))
            console.print()
    ASSETS.mkdir(exist_ok=True)
    (ASSETS / "capture.txt").write_text(console.export_text(clear=False), "utf-8")
    console.save_svg(str(ASSETS / "capture.svg"), title="doctor", theme=MONOKAI)


def run(words: list[str], directory: str) -> str:
    """What a command prints in colour, at the capture's width, with a home and a journal of its own."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": directory,
        "FORCE_COLOR": "1",
        "COLUMNS": str(WIDTH),
        "TERM": "xterm-256color",
    }
    command = [sys.executable, "-m", "doctor", *words]
    return subprocess.run(command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
