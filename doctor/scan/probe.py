"""`--probe`: what happens where the examined interpreter really imports torch and what is compiled for it.

Each module is imported in a child process of its own, in an empty folder, with a limit of time.  Nothing here runs
unless `--probe` says so.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from os.path import realpath
from typing import IO

from doctor.model import Package, Python
from doctor.probe import Probe

LIMIT = 120.0
"""Seconds for one import; torch from a cold network disk takes a minute."""
LINES = 6
"""Of what a child wrote to stderr, the last ones are kept."""
TAIL = 20_000
"""Bytes of it that are looked at."""
NOISE = re.compile(
    r"^Extension modules:|<frozen importlib|importlib/__init__\.py|File \"<string>\", line|^Current thread"
)
"""Lines of a traceback that are the same for every import."""
MODULES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "torchaudio": "torchaudio",
    "bitsandbytes": "bitsandbytes",
    "flash-attn": "flash_attn",
    "xformers": "xformers.ops",
    "causal-conv1d": "causal_conv1d",
    "mamba-ssm": "mamba_ssm",
    "transformers": "transformers.modeling_utils",
    "peft": "peft",
}
"""Distribution to the module that is imported, torch first; the rest need it."""
CHILD = """
import importlib, json, sys
name, answer = sys.argv[1], {}
module = importlib.import_module(name)
if name == "torch":
    answer = {"cuda": module.version.cuda, "available": module.cuda.is_available()}
    if answer["available"]:
        (module.ones(2, device="cuda") + 1).sum().item()
if name == "bitsandbytes":
    library = getattr(sys.modules.get("bitsandbytes.cextension"), "lib", None)
    failed = getattr(library, "__dict__", {}).get("error_msg")
    if failed:
        sys.exit(f"its native library does not load: {failed}")
print(json.dumps({"doctor": answer}))
"""


def run(
    python: Python, packages: Mapping[str, Package], environment: Mapping[str, str], limit: float = LIMIT
) -> Iterator[Probe]:
    """Import every module that is installed.  Where torch itself fails, the others, which need it, are left out."""
    for name, module in MODULES.items():
        if name in packages:
            probe = _probe(name, module, python, environment, limit)
            yield probe
            if name == "torch" and probe.failed:
                return


def _probe(name: str, module: str, python: Python, environment: Mapping[str, str], limit: float) -> Probe:
    with tempfile.TemporaryDirectory(prefix="doctor-probe-") as folder, tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                [python.executable, "-X", "faulthandler", "-c", CHILD, module],
                cwd=folder,
                env=_variables(environment, python),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            return Probe(name, f"{python.executable} cannot be started: {error.strerror}")
        try:
            out, _ = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return Probe(name, f"is still being imported after {limit:g} seconds", _tail(errors))
        finally:
            _end(child)
        said = _tail(errors)
        if child.returncode:
            return Probe(name, _ended(child.returncode), said)
        return Probe(name, "", said, _answer(out))


def _variables(environment: Mapping[str, str], python: Python) -> dict[str, str]:
    """The caller's variables; PYTHONPATH only where it is this interpreter's."""
    own = realpath(python.prefix) == realpath(environment.get("VIRTUAL_ENV") or sys.prefix)
    kept = {name: value for name, value in environment.items() if own or not name.startswith("PYTHON")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def _answer(out: bytes) -> dict[str, str]:
    with suppress(ValueError, KeyError, IndexError, TypeError):
        told = json.loads(out.splitlines()[-1])["doctor"]
        return {str(key): str(value) for key, value in told.items()}
    return {}


def _ended(code: int) -> str:
    if code >= 0:
        return "fails"
    with suppress(ValueError):
        return f"is killed by {signal.Signals(-code).name}"
    return f"is killed by signal {-code}"


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(errors.tell() - TAIL, 0))
    lines = errors.read().decode("utf-8", "replace").splitlines()
    kept = [line.rstrip() for line in lines if line.strip() and not NOISE.search(line)]
    fatal = next((i for i, line in enumerate(kept) if line.startswith("Fatal Python error")), None)
    # Of a crash, Python prints the innermost frame first.
    return "\n".join(kept[-LINES:] if fatal is None else kept[max(fatal - 2, 0) : fatal + LINES])


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill a child that has not ended, and what it started."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        elif child.poll() is None:
            child.kill()
    child.wait()
    if child.stdout:
        child.stdout.close()
