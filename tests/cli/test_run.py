"""`doctor run`: the exit code is the command's, and the remedies' variables are set for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCTOR = [sys.executable, "-m", "doctor", "run"]


def install(environment: Path, name: str, version: str) -> None:
    folder = environment / "lib" / "python3.11" / "site-packages" / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")


@pytest.mark.parametrize("dashes", [["--"], []])
def test_the_command_keeps_its_arguments_and_exit_code(work: Path, dashes: list[str]) -> None:
    code = "import sys; print(sys.argv[1:]); sys.exit(7)"
    command = [*DOCTOR, *dashes, sys.executable, "-c", code, "--", "-x", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "['--', '-x', '--help']\n")


def test_variables_that_mend_the_environment_are_set(work: Path) -> None:
    (work / "env" / "lib" / "python3.11" / "site-packages" / "transformers-5.23.0.dist-info" / "METADATA").unlink()
    install(work / "env", "transformers", "5.0.0")
    install(work / "env", "bitsandbytes", "0.50.2")
    code = "import os; print(os.environ.get('HF_DEACTIVATE_ASYNC_LOAD'))"
    done = subprocess.run([*DOCTOR, "--", sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "1\n"
