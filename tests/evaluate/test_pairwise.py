"""Two runs before a judge: each pair in both orders, what changes with the order is no opinion."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from doctor.cli import main

Reply = Callable[[str, str], str]
COUNT = 6


@pytest.fixture
def judge(stub: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Reply], Any]]:
    """Starts a judge that is told both answers, in the order it reads them."""
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    started = []

    def answers(request: dict[str, Any]) -> list[str]:
        told = request["messages"][-1]["content"]
        return [part.split("\n\n")[0] for part in told.split(":\n")[-2:]]

    def start(reply: Reply) -> Any:
        started.append(stub.Stub(lambda request: (200, stub.completion(reply(*answers(request))))))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def runs(work: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Two runs of six questions: the second is right where the first is wrong, of the last both say the same."""
    rows = [
        {"id": f"q{n}", "question": f"What is {n}?", "must": [f"right {n}"], "system": "Be kind."} for n in range(COUNT)
    ]
    (work / "questions.yaml").write_text(json.dumps(rows), "utf-8")
    for name, word in (("a", "wrong"), ("b", "right")):
        said = [{"id": f"q{n}", "answer": f"It is {word if n < COUNT - 1 else 'right'} {n}."} for n in range(COUNT)]
        (work / "answers.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said), "utf-8")
        assert (
            main(
                [
                    "evaluate",
                    "evaluate.yaml",
                    "--answers",
                    "answers.jsonl",
                    "--format",
                    "json",
                    "--output",
                    f"{name}.json",
                ]
            )
            == 0
        )
    return work


def compared(capsys: pytest.CaptureFixture[str], url: str, *more: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["evaluate", "compare", "a.json", "b.json", "--format", "json", "--judge", url, *more]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["comparisons"][0]["judge"]
    return found


def said(better: str) -> str:
    return json.dumps({"reason": "so", "better": better})


def test_a_judge_that_sees_the_better_answer(
    runs: Path, judge: Callable[[Reply], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = judge(lambda one, two: said("1" if "right" in one else "2"))
    told = compared(capsys, server.url)
    counts = {name: told[name] for name in ("first", "second", "same", "place", "unclear")}
    assert counts == {"first": 0, "second": COUNT - 1, "same": 1, "place": 0, "unclear": 0}
    assert told["p"] == pytest.approx(2 * 0.5**5)
    assert (told["agree"], told["of"], told["kappa"]) == (COUNT - 1, COUNT - 1, None)
    assert len(server.asked) == 2 * (COUNT - 1), "answers that are equal are not asked about"
    asked = server.asked[0]["messages"]
    assert "Be kind." in asked[-1]["content"] and "It must say" in asked[-1]["content"]
    assert server.asked[0]["response_format"]["json_schema"]["schema"]["properties"]["better"]["enum"] == [
        "1",
        "2",
        "same",
    ]
    compared(capsys, server.url)
    assert len(server.asked) == 2 * (COUNT - 1), "opinions are kept"
    compared(capsys, server.url, "--fresh")
    assert len(server.asked) == 4 * (COUNT - 1)


def test_a_judge_that_always_takes_the_first_has_no_opinion(
    runs: Path, judge: Callable[[Reply], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    told = compared(capsys, judge(lambda *_: said("1")).url)
    assert (told["first"], told["second"], told["same"], told["place"]) == (0, 0, 1, COUNT - 1)
    assert (told["p"], told["agree"], told["of"], told["kappa"]) == (1, 0, 0, None)
    capsys.readouterr()
    main(["evaluate", "compare", "a.json", "b.json", "--judge", judge(lambda *_: said("1")).url])
    out = " ".join(capsys.readouterr().out.split())
    assert "The judge finds b.json better in 0, a.json better in 0, both the same in 1, another one" in out
    assert "another one better with their order turned in 5 of 6 (p 1.0000)" in out


def test_what_cannot_be_read_is_asked_once_more(
    runs: Path, judge: Callable[[Reply], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = judge(lambda *_: "I cannot say.")
    told = compared(capsys, server.url)
    assert (told["unclear"], told["same"], told["of"]) == (COUNT - 1, 1, 0)
    assert len(server.asked) == 4 * (COUNT - 1)
    assert told["samples"][0]["reasons"] == ["I cannot say.", "I cannot say."]


def test_both_orders_are_shown_with_their_reasons(
    runs: Path, judge: Callable[[Reply], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    url = judge(lambda one, two: json.dumps({"reason": f"<b>{one}</b>", "better": "2"})).url
    pages = {}
    for form in ("html", "markdown", "text"):
        capsys.readouterr()
        assert main(["evaluate", "compare", "b.json", "a.json", "--judge", url, "--format", form]) == 0
        pages[form] = " ".join(capsys.readouterr().out.split())
        assert "another one better with their order turned in 5 of 6" in pages[form]
    assert "judge, A first: <b>It is right 0.</b> judge, B first: <b>It is wrong 0.</b>" in pages["text"]
    assert "<b>It is" not in pages["html"] and "&lt;b&gt;It is wrong 0.&lt;/b&gt;" in pages["html"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compare", "a.json", "b.json", "--judge"], "no run was graded by a judge: name one"),
        (["compare", "a.json", "b.json", "--judge", "localhost:8080"], "--judge takes a URL, not 'localhost:8080'"),
        (["evaluate.yaml", "--judge", "http://x"], "--judge goes with compare"),
        (["compare", "a.json", "b.json", "--judge", "http://127.0.0.1:9/v1"], "cannot be reached"),
    ],
)
def test_a_judge_that_is_none(
    arguments: list[str], says: str, runs: Path, judge: Callable[[Reply], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["evaluate", *arguments]) == 2
    heard = capsys.readouterr()
    assert says in heard.err
    assert heard.out == ""


def test_the_runs_own_judge_is_asked_again(
    runs: Path, judge: Callable[[Reply], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server = judge(lambda one, two: said("2"))
    for name in ("a", "b"):
        whole = json.loads(Path(f"{name}.json").read_text("utf-8"))
        whole["settings"] = {"judge": {"url": server.url, "model": ""}}
        Path(f"{name}.json").write_text(json.dumps(whole), "utf-8")
    capsys.readouterr()
    assert main(["evaluate", "compare", "a.json", "b.json", "--judge"]) == 0
    assert len(server.asked) == 2 * (COUNT - 1)
