"""The judge: what is asked of it, what is read out of what it says, and how far it agrees with the rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from doctor.cli import main
from doctor.evaluate.judge import grade
from doctor.evaluate.model import Answer

Reply = Callable[[dict[str, Any]], str]


@pytest.fixture
def judge(work: Path, stub: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Reply], Any]]:
    """Starts a judge that says what it is told to, and writes it into the configuration."""
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    started = []

    def start(reply: Reply) -> Any:
        started.append(stub.Stub(lambda request: (200, stub.completion(reply(request)))))
        whole = {"samples": "questions.yaml", "judge": {"url": started[-1].url}, "generate": {"batch": 2}}
        (work / "evaluate.yaml").write_text(json.dumps(whole), "utf-8")
        return started[-1]

    yield start
    for one in started:
        one.close()


def evaluated(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["evaluate", "evaluate.yaml", "--answers", "answers.jsonl", "--format", "json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def grades(told: dict[str, Any]) -> dict[str, float | None]:
    return {one["id"]: one["scores"]["judge"]["value"] for one in told["samples"] if "judge" in one["scores"]}


def test_a_judge_stands_beside_the_rules(judge: Callable[[Reply], Any], capsys: pytest.CaptureFixture[str]) -> None:
    server = judge(lambda asked: json.dumps({"reason": "so", "score": 2 if "father" in str(asked) else 9}))
    told = evaluated(capsys)
    assert grades(told) == {"who": 9, "tom": 2}
    assert told["judge"] == {"agree": 2, "of": 2, "kappa": 1}
    assert told["scorers"][-1] == "judge"
    assert told["samples"][0]["value"] == 10, "the judge's grade counts in no other score"
    asked = server.asked[0]
    assert asked["response_format"]["json_schema"]["schema"]["required"] == ["reason", "score"]
    said = " ".join(turn["content"] for request in server.asked for turn in request["messages"])
    for part in (
        "You are Mira.",
        "Who is Tom?",
        "It must say:\n'brother'",
        "It must not say:\n'father'",
        "Tom is my father.",
    ):
        assert part in said
    evaluated(capsys)
    assert len(server.asked) == 2, "grades are kept as answers are"


def test_what_cannot_be_read_is_asked_once_more(
    judge: Callable[[Reply], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = judge(lambda asked: '{"reason": "now", "score": 7}' if asked["seed"] else "Well, hard to say.")
    assert grades(evaluated(capsys)) == {"who": 7, "tom": 7}
    assert [request["seed"] for request in server.asked] == [0, 0, 1, 1]


def test_a_judge_without_a_grade_is_no_score(judge: Callable[[Reply], Any], capsys: pytest.CaptureFixture[str]) -> None:
    judge(lambda _: "I would rather not.")
    told = evaluated(capsys)
    assert grades(told) == {"who": None, "tom": None}
    assert told["judge"] == {"agree": 0, "of": 0, "kappa": None}
    assert "names no score: 'I would rather not.'" in told["samples"][0]["scores"]["judge"]["explanation"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"score": 8, "reason": "good"}', 8),
        ('Here it is:\n```json\n{"reason": "good", "score": 8.5}\n```', 8.5),
        ("Score: 7/10, since it names the brother.", 7),
        ("I give it a grade of nothing.", None),
        ("**Score**: 10", 10),
        ('{"score": 80}', None),
        ('{"score": "high"}', None),
        ("", None),
    ],
)
def test_tolerant_reading(text: str, value: float | None) -> None:
    assert grade(Answer("x", text)).value == value


@pytest.mark.parametrize(
    ("judge_text", "says"),
    [
        ("judge: {ulr: x}", "'judge': there is no key 'ulr'; did you mean 'url'?"),
        ("judge: {model: x}", "'judge': has no 'url'"),
        ("judge: {url: localhost}", "does not begin with http:// or https://"),
        ("scorers: [judge]", "'scorers' has 'judge', which needs `judge: {url: ...}`"),
    ],
)
def test_a_wrong_judge(judge_text: str, says: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "evaluate.yaml").write_text(f"samples: questions.yaml\n{judge_text}\n", "utf-8")
    assert main(["evaluate", "evaluate.yaml", "--answers", "answers.jsonl"]) == 2
    assert says in capsys.readouterr().err
