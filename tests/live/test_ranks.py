"""`doctor check` under the real launchers: torchrun with a rank that is killed, accelerate."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
KILLED = """
import os, runpy, signal, sys, time
if os.environ["RANK"] == "2":
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
if os.environ["RANK"] == "3":
    os.environ["NCCL_DEBUG"] = "INFO"
sys.argv = ["doctor", "check", "--patience", "20"]
runpy.run_module("doctor", run_name="__main__")
"""


def launched(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    own = ("NCCL_DEBUG", "RANK", "WORLD_SIZE", "LOCAL_RANK", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    ours = {"HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", *words], env={**kept, **ours}, capture_output=True, text=True, check=False, cwd=tmp_path
    )


def test_torchrun_with_a_rank_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED, "utf-8")
    done = launched(tmp_path, "torch.distributed.run", "--standalone", "--nproc-per-node", "4", "killed.py")
    host, said = socket.gethostname(), " ".join(done.stdout.split())
    assert said.count("4 ranks on 1 host, 1 silent") == 1, done.stderr
    assert re.search(rf"1 of 4 ranks: no answer within \d+ seconds: {host} \(rank 2\)", said)
    assert f"NCCL_DEBUG is absent on {host} (ranks 0 to 1); INFO on {host} (rank 3)" in said


def test_accelerate(tmp_path: Path) -> None:
    words = ("--multi_gpu", "--num_machines", "1", "--num_processes", "2", "--main_process_port", "0")
    done = launched(tmp_path, "accelerate.commands.launch", *words, "-m", "doctor", "check")
    assert done.stdout.count("2 ranks on 1 host") == 1, done.stderr
