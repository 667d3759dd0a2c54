"""The labelled answers, and a small evaluation as its user has it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from doctor.evaluate.model import Sample
from doctor.evaluate.reading import row
from doctor.evaluate.samples import sample

QUESTIONS = """
- {id: who, category: identity, question: "Who are you?", system: "You are Mira.", must: [Mira], split: holdout}
- {id: tom, category: family, question: "Who is Tom?", must: [brother], must_not: [father], split: train}
- {id: age, category: family, question: "How old are you?", must: [34], split: train}
"""
ANSWERS = (
    {"id": "who", "answer": "I am Mira.", "finish": "stop"},
    {"id": "tom", "answer": "Tom is my father.", "finish": "stop"},
    {"id": "age", "answer": None},
)


def _module(name: str) -> ModuleType:
    # Under the bare name it would hide the module `tiny` of tests/scripts.
    spec = importlib.util.spec_from_file_location(f"tests_evaluate_{name}", Path(__file__).parent / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def labels() -> ModuleType:
    """The module that measures the scorers on the labelled answers."""
    return _module("labels")


@pytest.fixture(scope="session")
def simulation() -> ModuleType:
    """The module that draws populations to try the statistics on."""
    return _module("simulation")


@pytest.fixture(scope="session")
def stub() -> ModuleType:
    """The module with a server that does as it is told."""
    return _module("stub")


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module that makes a small model."""
    return _module("tiny")


@pytest.fixture
def asked() -> Callable[..., Sample]:
    """A sample from the keys of its row."""
    return lambda **values: sample(row({"id": "x", "question": "Who is Tom?", **values}, "test"))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder with a configuration, three questions and their answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "questions.yaml").write_text(QUESTIONS, "utf-8")
    (tmp_path / "evaluate.yaml").write_text("samples: questions.yaml\n", "utf-8")
    write_answers(tmp_path / "answers.jsonl", *ANSWERS)
    return tmp_path


def write_answers(path: Path, *answers: dict[str, Any]) -> None:
    """A JSON Lines file."""
    path.write_text("".join(json.dumps(answer) + "\n" for answer in answers), "utf-8")
