"""The pre-commit hooks and the GitHub action run commands that exist, and the action's script does what it says."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from doctor.cli import parser

ROOT = Path(__file__).parents[2]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_calls_a_command_with_options_it_has(hook: dict[str, object]) -> None:
    name, *words = shlex.split(str(hook["entry"]))
    assert name == "doctor" and hook["language"] == "python"
    assert parser().parse_args([*words, "a.py", "b.ipynb"]).targets == ["a.py", "b.ipynb"]


def test_the_action_s_script(tmp_path: Path) -> None:
    project, runner = tmp_path / "project", tmp_path / "runner"
    project.mkdir()
    (project / "train.py").write_text(
        "from transformers import TrainingArguments\nTrainingArguments('o', no_cuda=True)\n", "utf-8"
    )
    tool = runner / "doctor" / "bin" / "doctor"
    tool.parent.mkdir(parents=True)
    tool.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m doctor "$@"\n', "utf-8")
    tool.chmod(0o755)
    step = ACTION["runs"]["steps"][-1]
    given = {"TARGETS": "train.py", "AGAINST": "transformers==5.23.0", "FAIL_ON": "error", "SARIF": "out.sarif"}
    assert set(given) == set(step["env"])
    assert {f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]} == set(step["env"].values())
    environment = {**os.environ, **given, "RUNNER_TEMP": str(runner)}
    command = ["bash", "-e", "-c", step["run"]]
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout.startswith("::error title=removed-argument,file=train.py,line=2,col=24::")
    (run,) = json.loads((project / "out.sarif").read_text("utf-8"))["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 2, "startColumn": 24}
