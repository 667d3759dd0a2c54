"""A plan verified with an interpreter that is none: folders, children, limits, and what the command does with it."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from doctor.cli import main
from doctor.fix.plan import Edit, Plan
from doctor.model import Facts, ModelFacts, Source
from doctor.verify import Interpreter, Verdict, verify
from doctor.verify.ask import CHILD
from doctor.verify.cases import Case

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in for an interpreter is a shell script")
GIB = 2**30


def verified(model: Path, fake: Path, after: str, limit: float = 60, **fields: object) -> Verdict:
    """The verdict on a fix that gives the file a new text."""
    file = model / "modeling_tiny.py"
    text = file.read_text("utf-8")
    source = Source(str(file), "remote-code", text, hashlib.sha256(text.encode()).hexdigest(), model=str(model))
    config = json.loads((model / "config.json").read_text("utf-8"))
    found = ModelFacts(str(model), config, files=tuple(sorted(path.name for path in model.iterdir())), **fields)  # type: ignore[arg-type]
    plan = Plan((Edit(str(file), source.digest, text, after, ("a-patch",)),))
    facts = Facts(sources=(source,), models=(found,))
    (verdict,) = verify(plan, facts, [Interpreter(str(fake))], 8 * GIB, lambda text: None, limit)
    return verdict


def test_the_same_numbers_are_equal_and_nothing_of_the_user_s_changes(model: Path, fake: Path) -> None:
    before = {path: path.read_bytes() for path in model.rglob("*")}
    verdict = verified(model, fake, "# fixed\nanswers = [1.0, 2.0]\n")
    assert (verdict.state, verdict.difference) == ("equal", 0.0)
    assert verdict.weights.startswith("random weights, seed 7") and "its weights are not at hand" in verdict.weights
    assert {path: path.read_bytes() for path in model.rglob("*")} == before


def test_other_numbers_differ(model: Path, fake: Path) -> None:
    verdict = verified(model, fake, "answers = [1.0, 2.5]\n")
    assert (verdict.state, verdict.difference) == ("differs", pytest.approx(0.5))
    assert verdict.paths == {str(model / "modeling_tiny.py")}


def test_a_crash_is_an_answer(model: Path, fake: Path) -> None:
    verdict = verified(model, fake, "answers = [1.0]  # CRASH\n")
    assert verdict.state == "differs"
    assert "killed by SIGKILL, out of memory perhaps" in verdict.reason


def test_a_child_that_hangs_is_ended(model: Path, fake: Path) -> None:
    began = time.monotonic()
    verdict = verified(model, fake, "answers = [1.0]  # HANG\n", limit=2)
    assert "no answer within 2 seconds" in verdict.reason
    assert time.monotonic() - began < 30


def test_an_interpreter_that_cannot_start(model: Path, fake: Path) -> None:
    fake.chmod(0o644)
    verdict = verified(model, fake, "answers = [1.0]\n")
    assert verdict.state == "unverified"
    assert "cannot be started: Permission denied" in verdict.reason


def test_the_child_is_python_3_9() -> None:
    ast.parse(CHILD.read_text("utf-8"), feature_version=(3, 9))


def test_an_interpreter_without_torch(model: Path, fake: Path) -> None:
    fake.write_text(
        '#!/bin/sh\nread job\necho \'{"failed": "cannot import torch and transformers"}\'\nexit 1\n', "utf-8"
    )
    verdict = verified(model, fake, "answers = [1.0]\n")
    assert verdict.state == "unverified"
    assert "cannot import torch and transformers" in verdict.reason


def test_a_config_that_names_no_class(model: Path, fake: Path) -> None:
    (model / "config.json").write_text('{"model_type": "tiny"}', "utf-8")
    verdict = verified(model, fake, "answers = [1.0]\n")
    assert verdict.state == "unverified"
    assert "names no model class" in verdict.reason


def test_stored_weights_are_used_where_they_fit(model: Path, fake: Path) -> None:
    (model / "model.safetensors").write_bytes(b"x")
    small = {"embed.weight": ("F32", (32, 4))}
    assert (
        verified(model, fake, "answers = [1.0, 2.0]\n", tensors=small).weights == "its own weights, as 32-bit numbers"
    )


def stored(free: int | None, *files: str, **config: object) -> str:
    tensors = {"embed.weight": ("BF16", (2**15, 2**12)), "head.weight": ("BF16", (2**15, 2**12))}
    found = ModelFacts("/models/big", config, files=files, tensors=tensors if "model.safetensors" in files else {})
    return Case(found, "/models/big", {}, frozenset()).stored(free)[1]


def test_weights_that_do_not_fit_or_cannot_be_read_are_replaced_by_random_ones() -> None:
    assert stored(8 * GIB, "model.safetensors") == ""
    assert stored(GIB, "model.safetensors") == "its weights would take 1.5 GiB of RAM, of which 1.0 GiB is free"
    assert stored(None, "model.safetensors").endswith("of which an unknown amount is free")
    assert stored(8 * GIB, "config.json") == "its weights are not at hand"
    assert stored(8 * GIB, "model.safetensors", quantization_config={"bits": 4}) == "its weights are quantised"
    assert stored(8 * GIB, "pytorch_model.bin") == "how large its weights are is not known before they are read"


def fix(model: Path, *options: str) -> int:
    return main(["fix", "--yes", "--python", str(model.parent / "env"), *options, str(model)])


def test_the_command_verifies_before_it_writes(
    model: Path, fake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(model.parent)
    assert fix(model, "--verify") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(
        "Verified: 1 of 1 model equal (their own code was run, in child processes)\n  ✓ tiny  equal\n"
    )
    assert "_doctor_seen_tokens" in (model / "modeling_tiny.py").read_text("utf-8")


def test_the_command_refuses_other_numbers_unless_forced(
    model: Path, fake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = model / "modeling_tiny.py"
    file.write_text("answers = [1.0, 2.0]\npast = past_key_values.seen_tokens\n", "utf-8")
    child = model.parent / "child.py"
    wrong = child.read_text("utf-8").replace("return json", 'return [9.0] if "_doctor_" in code else json')
    child.write_text(wrong, "utf-8")
    monkeypatch.chdir(model.parent)

    assert fix(model, "--verify") == 1
    shown = capsys.readouterr().out
    assert "✗ tiny  differs\n" in shown
    assert "tiny/modeling_tiny.py\n    its numbers would change; see above; `--force` rewrites it all the same" in shown
    assert "_doctor_" not in file.read_text("utf-8")

    assert fix(model, "--verify", "--force") == 1
    assert "_doctor_seen_tokens" in file.read_text("utf-8")


def test_json_holds_the_verdicts(
    model: Path, fake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(model.parent)
    assert fix(model, "--verify-with", str(fake), "--format", "json") == 0
    heard = capsys.readouterr()
    (verdict,) = json.loads(heard.out)["verified"]
    assert (verdict["state"], verdict["largest_difference"], verdict["model"]) == ("equal", 0.0, str(model))
    assert {run["code"] for run in verdict["runs"]} == {"before", "after"}
    assert heard.err.startswith("Running the code of 1 model with ")
    assert "\nVerified: 1 of 1 model equal" in heard.err


def test_without_the_option_nothing_is_run(model: Path, fake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake.write_text("#!/bin/sh\ntouch was-run\n", "utf-8")
    assert fix(model, "--format", "json") == 0
    assert "verified" not in json.loads(capsys.readouterr().out)
    assert not list(model.parent.rglob("was-run"))


@pytest.mark.parametrize("python", ["/nowhere/python", "tiny"])
def test_an_environment_that_is_none(
    model: Path, fake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], python: str
) -> None:
    monkeypatch.chdir(model.parent)
    assert fix(model, "--verify-with", python) == 2
    assert capsys.readouterr().err.startswith("doctor: --verify-with: ")
