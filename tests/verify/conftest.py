"""Interpreters that are none: a child that answers from the code it is given, without torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

CHILD = '''
import array, json, os, pathlib, sys, time

job = json.load(sys.stdin)
code = (pathlib.Path(job["folder"]) / "modeling_tiny.py").read_text()
release = os.environ.get("RELEASE_OF_THE_FAKE", "5.23.0")


def tell(**event):
    print(json.dumps(event), flush=True)


def numbers():
    """The numbers are what the code says they are: `answers = [...]`."""
    line = next(line for line in code.splitlines() if line.startswith("answers = "))
    return json.loads(line.partition("=")[2])


tell(release=release)
weights = pathlib.Path(job["weights"][0])
if not weights.exists():
    weights.write_bytes(b"made")
for run in job["runs"]:
    tell(begun=run, stage="load")
    answer = {"run": run, "failed": "", "stage": "load", "missing": [], "tokens": [[[3]]], "generate": ""}
    if "CRASH" in code:
        os.kill(os.getpid(), 9)
    if "HANG" in code:
        time.sleep(60)
    if run == "native":
        answer["failed"] = "this release has none"
    elif "removed_name" in code:
        answer["failed"] = "ImportError: cannot import name 'removed_name'"
    else:
        answer["logits"] = job["out"] + "/" + run + ".f32"
        with open(answer["logits"], "wb") as stream:
            array.array("f", numbers() * 3).tofile(stream)
        answer["counts"] = [len(numbers())] * 3
    tell(**answer)
'''


CODE = """answers = [1.0, 2.0]
past = past_key_values.seen_tokens
"""
CONFIG = {"model_type": "tiny", "auto_map": {"AutoModelForCausalLM": "modeling_tiny.Tiny"}, "vocab_size": 32}


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """An executable that takes the place of a Python with torch: it answers for the child script."""
    child = tmp_path / "child.py"
    child.write_text(CHILD, "utf-8")
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{child}"\n', "utf-8")
    python.chmod(0o755)
    metadata = tmp_path / "env" / "lib" / "python3.11" / "site-packages" / "transformers-5.23.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: transformers\nVersion: 5.23.0\n", "utf-8")
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n", "utf-8")
    return python


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder whose code a patch rewrites, without weights."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "modeling_tiny.py").write_text(CODE, "utf-8")
    (folder / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    return folder
