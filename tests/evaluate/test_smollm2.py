"""A real small model on the example's questions: the same answers and the same scores on every release."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from doctor.cli import main

pytestmark = pytest.mark.live
HERE = Path(__file__).parent
# Questions at which no two tokens ever lie within 0.02 of each other: rounding decides nothing.
EXPECTED = [json.loads(line) for line in (HERE / "golden/smollm2.jsonl").read_text("utf-8").splitlines()]


def test_answers_and_scores_are_those_of_every_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = {
        "model": os.environ["SMOLLM2"], "samples": str(HERE.parents[1] / "examples/questions.yaml"),
        "scorers": ["facts", "identity", "coherence", "bleed", "truncation", "repetition"],
        "generate": {"max_new_tokens": 48, "batch": 8}, "load": {"dtype": "float32", "device": "cpu"},
    }  # fmt: skip
    Path("e.yaml").write_text(json.dumps(whole), "utf-8")
    assert main(["evaluate", "e.yaml", "--format", "json"]) == 0
    told = {sample["id"]: sample for sample in json.loads(capfd.readouterr().out)["samples"]}
    assert [{key: told[one["id"]][key] for key in one} for one in EXPECTED] == EXPECTED
