"""The examples are sound: configurations read, conversations are clean, and the questions are not in them."""

from __future__ import annotations

import json
from difflib import SequenceMatcher
from itertools import cycle
from pathlib import Path

import pytest

from doctor.evaluate.config import read_config as read_evaluation
from doctor.trainer.config import read_config

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NEAR = 0.9
ROWS = [json.loads(line)["messages"] for line in (EXAMPLES / "persona.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("name", ["train", "tinyllama", "phi-3-mini"])
def test_a_configuration_reads_from_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_config(EXAMPLES / f"{name}.yaml").data.path == str(EXAMPLES / "persona.jsonl")


def test_the_conversations() -> None:
    assert len(ROWS) >= 200
    assert len({turns[0]["content"] for turns in ROWS}) == 2, "two system prompts"
    for turns in ROWS:
        roles = ["system", *(role for role, _ in zip(cycle(("user", "assistant")), turns[1:], strict=False))]
        assert [turn["role"] for turn in turns] == roles
        assert turns[-1]["role"] == "assistant"
        assert all(turn["content"] == turn["content"].strip() != "" for turn in turns)
    spoken = [json.dumps(turns[1:-1]) for turns in ROWS]
    assert len(set(spoken)) == len(spoken), "no question stands there twice"


def test_the_questions_are_held_out() -> None:
    asked = {turn["content"].lower().strip(" ?.!") for turns in ROWS for turn in turns if turn["role"] == "user"}
    samples = read_evaluation(EXAMPLES / "persona_evaluate.yaml").samples
    assert len(samples) >= 35
    assert {sample.system for sample in samples} <= {turns[0]["content"] for turns in ROWS}
    near = {sample.question: matches(sample.question, asked) for sample in samples}
    assert not {question: found for question, found in near.items() if found}


def matches(question: str, asked: set[str]) -> list[str]:
    """The questions of the rows that have nine of ten words with it, in the same order."""
    words = SequenceMatcher(b=question.lower().strip(" ?.!").split(), autojunk=False)
    found = []
    for known in asked:
        words.set_seq1(known.split())
        if words.quick_ratio() >= NEAR and words.ratio() >= NEAR:
            found.append(known)
    return found
