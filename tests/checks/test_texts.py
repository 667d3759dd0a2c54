"""Shell scripts, Dockerfiles and configurations: what is found, and what is written in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doctor.cli import main
from doctor.diagnose import assume, diagnose
from doctor.model import Facts, Package, Source
from doctor.signatures import judged

SHELL = """#!/bin/bash
export OMP_NUM_THREADS=1
# python train.py --evaluation_strategy no
torchrun --nproc_per_node 2 train.py \\
  --output_dir out --evaluation_strategy steps --no-cuda True \\
  --overwrite_output_dir --warmup_ratio 0.03
huggingface-cli login
"""
AFTER = SHELL.replace("out --evaluation_strategy steps --no-cuda", "out --eval_strategy steps --use-cpu")
YAML = "model: x\nlearning_rate: 1.0e-4\nevaluation_strategy: steps\r\nwarmup_ratio: 0.1\n"
TRAIN = "from transformers import HfArgumentParser, TrainingArguments\nHfArgumentParser(TrainingArguments)\n"


def ids(text: str) -> list[tuple[str, ...]]:
    """Line and id of every finding of the plain report."""
    rows = (line.split(":", 3) for line in text.splitlines() if line.startswith("/"))
    return [(row[1], row[3].split()[1]) for row in rows]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in {"run.sh": SHELL, "sft.yaml": YAML, "train.py": TRAIN}.items():
        (folder / name).write_bytes(text.encode())
    return folder


def test_what_is_found_and_what_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(project), "--against", "transformers==5.23.0", "--format", "plain"]
    assert main(["check", *words]) == 1
    found = ids(capsys.readouterr().out)
    assert sorted(found) == [
        ("3", "removed-flag"),
        ("4", "removed-flag"),
        ("5", "removed-flag"),
        ("5", "removed-flag"),
        ("6", "removed-flag"),
        ("6", "removed-flag"),
        ("7", "removed-command"),
    ]
    assert main(["fix", "--yes", *words]) == 1
    assert (project / "run.sh").read_text("utf-8") == AFTER
    assert (project / "sft.yaml").read_bytes() == YAML.replace("evaluation_strategy", "eval_strategy").encode()
    left = ids(capsys.readouterr().out)
    assert sorted(left) == [
        ("4", "removed-flag"),
        ("6", "removed-flag"),
        ("6", "removed-flag"),
        ("7", "removed-command"),
    ]
    assert main(["undo"]) == 0
    assert (project / "run.sh").read_text("utf-8") == SHELL


@pytest.mark.parametrize("more", ["", "RUN mkdir -p $TRANSFORMERS_CACHE\n"])
def test_a_variable_is_renamed_unless_it_is_read_again(
    more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "Dockerfile"
    file.write_text(f"ENV TRANSFORMERS_CACHE=/data\n{more}", "utf-8")
    main(["fix", "--yes", str(file), "--against", "transformers==5.23.0"])
    assert file.read_text("utf-8") == f"ENV {'TRANSFORMERS_CACHE' if more else 'HF_HUB_CACHE'}=/data\n{more}"


def test_a_docker_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM x\nENV TRANSFORMERS_CACHE /data\nRUN huggingface-cli download a/b\n", "utf-8")
    assert main(["check", str(file), "--against", "transformers==5.23.0", "--format", "plain"]) == 1
    assert ids(capsys.readouterr().out) == [("3", "removed-command"), ("2", "variable-ignored")]


def test_pins_that_do_not_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "requirements-train.txt"
    file.write_text(
        "# transformers==4.36.2\ntransformers[torch]==4.47.1\nhuggingface_hub==1.2.3\npeft == 0.14.0\n", "utf-8"
    )
    assert main(["check", str(file), "--format", "plain"]) == 1
    text = capsys.readouterr().out
    assert ids(text) == [("3", "pins-out-of-range")]
    assert "huggingface-hub==1.2.3 is pinned beside transformers==4.47.1, which requires huggingface-hub<1.0" in text


LOCKED = {
    "uv.lock": '[[package]]\nname = "{0}"\nversion = "{1}"\nsource = {{ registry = "https://x" }}\ndependencies = [\n'
    '    {{ name = "transformers", version = "9.9" }},\n]\n',
    "poetry.lock": '[[package]]\nname = "{0}"\nversion = "{1}"\nfiles = [\n    {{file = "x"}},\n]\n\n'
    '[package.dependencies]\nversion = "0.1"\n',
    "pdm.lock": '[[package]]\nname = "{0}"\nversion = "{1}"\nrequires_python = ">=3.9"\n',
    "pylock.train.toml": '[[packages]]\nname = "{0}"\nversion = "{1}"\n',
    "Pipfile.lock": '        "{0}": {{\n            "extras": [\n                "torch"\n            ],\n'
    '            "version": "=={1}"\n        }},\n',
    "conda-lock.yml": "- name: {0}\n  version: {1}\n  manager: conda\n",
    "requirements.txt": "{0}=={1} \\\n    --hash=sha256:0\n    # via x\n",
    "requirements-dev.in": "{0}=={1}\n",
    "constraints.txt": "{0}=={1}\n",
}
"""How each tool writes one package."""


def locked(name: str, **versions: str) -> str:
    """A lock that pins these releases."""
    return "\n".join(LOCKED[name].format(package, version) for package, version in versions.items())


@pytest.mark.parametrize("name", LOCKED)
def test_a_lock_is_judged_by_what_it_pins(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / name
    file.write_text(locked(name, numpy="2.2.6", peft="0.18.1", transformers="5.23.0", trl="1.16.0"), "utf-8")
    assert main(["check", ".", "--format", "plain", "--select", "pins-out-of-range"]) == 1
    text = capsys.readouterr().out
    [line] = [number for number, row in enumerate(file.read_text("utf-8").splitlines(), 1) if "0.18.1" in row]
    assert ids(text) == [(str(line), "pins-out-of-range")]
    assert "peft==0.18.1 is pinned beside transformers==5.23.0, which takes peft from 0.20.0 on" in text
    file.write_text(locked(name, numpy="2.2.6", peft="0.21.2", transformers="5.23.0", trl="1.16.0"), "utf-8")
    assert main(["check", ".", "--format", "plain", "--select", "pins-out-of-range"]) == 0


@pytest.mark.parametrize("name", LOCKED)
def test_a_breakage_is_found_in_what_a_lock_pins(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / name
    file.write_text(locked(name, accelerate="0.30.1", peft="0.17.1", transformers="4.47.1"), "utf-8")
    assert main(["check", str(file), "--format", "plain"]) == 1
    text = capsys.readouterr().out
    assert [found for _, found in ids(text)] == ["peft-imports-clear-device-cache"]
    assert "accelerate==0.30.1 is pinned beside transformers==4.47.1 and peft==0.17.1: this peft imports" in text
    assert "accelerate>=1.3" in text


def test_a_pin_is_said_to_be_wrong_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The floor of transformers and a breakage name the same peft: the file is told once."""
    file = tmp_path / "requirements.txt"
    file.write_text("transformers==5.0.0\npeft==0.17.1\nsentencepiece\n", "utf-8")
    assert main(["check", str(file), "--format", "plain"]) == 1
    assert ids(capsys.readouterr().out) == [("2", "pins-out-of-range")]


def test_releases_for_several_environments_are_not_taken_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "uv.lock"
    forked = [locked("uv.lock", peft="0.17.1", transformers=version) for version in ("4.57.6", "5.23.0")]
    file.write_text("\n".join(forked), "utf-8")
    assert main(["check", str(file), "--format", "plain"]) == 0
    assert not ids(capsys.readouterr().out)


@pytest.mark.parametrize("hub", ["", "0.36.2"])
def test_the_hub_is_judged_by_what_the_assumed_release_allows(hub: str, tmp_path: Path) -> None:
    packages = {"huggingface-hub": Package("huggingface-hub", hub)} if hub else {}
    facts = assume(Facts(packages=packages), "transformers==4.47.1")
    assert str(judged("huggingface_hub", facts)) == "huggingface_hub 0.36.2"
    facts = assume(Facts(packages={"huggingface-hub": Package("huggingface-hub", "2.4.0")}), "transformers==4.47.1")
    assert not judged("huggingface_hub", facts).installed


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("%env TRANSFORMERS_CACHE=/content/hf", 1),
        ("%set_env TRANSFORMERS_CACHE /content/hf", 1),
        ("%env TRANSFORMERS_CACHE", 0),
        ("%env HF_HUB_CACHE=/content/hf", 0),
        ("# %env TRANSFORMERS_CACHE=/content/hf", 0),
    ],
)
def test_a_variable_that_a_notebook_sets_by_a_magic(line: str, found: int) -> None:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": ["x = 1\n", line]}
    source = Source("a.ipynb", "notebook", json.dumps({"cells": [cell], "nbformat": 4, "metadata": {}}))
    facts = Facts(sources=(source,), packages={"transformers": Package("transformers", "5.23.0")})
    findings = diagnose(facts, select=["variable-ignored"]).findings
    assert [(str(each.where), each.patch) for each in findings] == [("a.ipynb:cell 0:2", None)] * found
