"""A real small model on the example's questions: the same answers and scores on every release and by llama.cpp."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from doctor.cli import main

pytestmark = pytest.mark.live
HERE = Path(__file__).parent
# Questions at which no two tokens ever lie within 0.02 of each other: rounding decides nothing.
EXPECTED = [json.loads(line) for line in (HERE / "golden/smollm2.jsonl").read_text("utf-8").splitlines()]


def evaluated(model: str, capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What is expected to be known of the answers of a model."""
    whole = {
        "model": model, "samples": str(HERE.parents[1] / "examples/questions.yaml"),
        "scorers": ["facts", "identity", "coherence", "bleed", "truncation", "repetition"],
        "generate": {"max_new_tokens": 48, "batch": 8}, "load": {"dtype": "float32", "device": "cpu"},
    }  # fmt: skip
    Path("e.yaml").write_text(json.dumps(whole), "utf-8")
    capfd.readouterr()
    assert main(["evaluate", "e.yaml", "--format", "json"]) == 0
    told = {sample["id"]: sample for sample in json.loads(capfd.readouterr().out)["samples"]}
    return [{key: told[one["id"]][key] for key in one} for one in EXPECTED]


def test_by_transformers_on_every_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert evaluated(os.environ["SMOLLM2"], capfd) == EXPECTED


@pytest.mark.parametrize("form", ["f32", "f16"])
def test_by_llama_cpp_as_a_gguf(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert main(["export", os.environ["SMOLLM2"], "--gguf", form, "--output", "gguf"]) == 0
    [file] = Path("gguf").glob("*.gguf")
    assert evaluated(str(file), capfd) == EXPECTED
