"""Asking a server: all answers are kept, none is asked for twice, and what fails is said.

`nox -s server` does the same with llama.cpp's own server.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from doctor.cli import main

COUNT = 24
Serve = Callable[..., Any]


@pytest.fixture
def serve(stub: ModuleType) -> Iterator[Serve]:
    """Starts servers, and stops them after the test."""
    started = []

    def start(reply: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]] | None = None, **settings: Any) -> Any:
        started.append(stub.Stub(reply or (lambda request: (200, stub.completion(said(request)))), **settings))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes a configuration for a server."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    rows = [{"id": f"q{n}", "question": f"Question {n}?", "must": [f"answer {n}"]} for n in range(COUNT)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    def write(url: str, **generate: Any) -> None:
        settings = {"batch": 4, "timeout": 20, **generate}
        whole = {"model": url, "samples": "q.jsonl", "scorers": ["facts"], "output": "run", "generate": settings}
        (tmp_path / "e.yaml").write_text(json.dumps(whole), "utf-8")

    return write


def said(request: dict[str, Any]) -> str:
    """The answer to `Question 7?`."""
    return f"This is answer {question(request)}."


def question(request: dict[str, Any]) -> int:
    return int(request["messages"][-1]["content"].split()[1].rstrip("?"))


def kept() -> list[str]:
    return [json.loads(line)["id"] for line in Path("run/answers.jsonl").read_text("utf-8").splitlines()]


def evaluate(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any], str]:
    code = main(["evaluate", "e.yaml", "--format", "json", *more])
    heard = capsys.readouterr()
    return code, json.loads(heard.out) if heard.out else {}, heard.err


def test_every_sample_is_asked_once_and_so_many_at_a_time(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(delay=0.02)
    configured(server.url, max_new_tokens=33)
    code, told, _ = evaluate(capsys)
    assert (code, told["total"]["mean"], told["total"]["scored"]) == (0, 10, COUNT)
    assert sorted(map(question, server.asked)) == list(range(COUNT))
    assert server.most == 4
    assert server.asked[0]["max_tokens"] == 33
    assert told["settings"]["prompt"] == "messages, rendered by the server"
    assert {(one["prompt_tokens"], one["tokens"], one["prompt"]) for one in told["samples"]} == {(1, 2, "")}
    assert sorted(kept()) == sorted(f"q{n}" for n in range(COUNT))
    assert json.loads(Path("run/evaluation.json").read_text("utf-8")) == told
    assert Path("run/report.html").exists()


def test_answers_are_asked_for_once_unless_fresh_ones_are_wanted_or_the_model_is_another(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    configured(server.url)
    first = evaluate(capsys)[1]
    code, told, err = evaluate(capsys)
    assert (code, told, len(server.asked)) == (0, first, COUNT)
    assert f"{COUNT} of {COUNT} answers were in run/answers.jsonl already; --fresh asks again" in err
    evaluate(capsys, "--fresh")
    assert len(server.asked) == 2 * COUNT
    server.close()
    other = serve(port=server.port, meta="trained again")
    evaluate(capsys)
    assert len(other.asked) == COUNT


def test_a_server_that_dies_loses_nothing(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str], stub: ModuleType
) -> None:
    answered: list[int] = []

    def mortal(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if len(answered) >= 10:
            return 0, {}
        answered.append(question(request))
        return 200, stub.completion(said(request))

    server = serve(mortal)
    configured(server.url)
    code, told, err = evaluate(capsys)
    assert (code, told) == (2, {})
    assert f"10 of {COUNT} answers are kept in run/answers.jsonl, and the same command goes on from there" in err
    assert sorted(kept()) == sorted(f"q{n}" for n in answered)
    server.close()
    again = serve(port=server.port)
    code, told, _ = evaluate(capsys)
    assert (code, told["total"]["mean"]) == (0, 10)
    assert sorted([*map(question, again.asked), *answered]) == list(range(COUNT))


def test_a_killed_run_goes_on_where_it_was(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(delay=0.05)
    configured(server.url, batch=2)
    process = subprocess.Popen([sys.executable, "-m", "doctor", "evaluate", "e.yaml"], stdout=subprocess.DEVNULL)
    ledger = Path("run/answers.jsonl")
    while not ledger.exists() or ledger.read_bytes().count(b"\n") < 5:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with ledger.open("a") as file:
        file.write('{"key": "torn')
    before = ledger.read_text("utf-8").splitlines()[:-1]
    asked = len(server.asked)
    code, told, _ = evaluate(capsys)
    assert (code, told["total"]["mean"], told["total"]["scored"]) == (0, 10, COUNT)
    assert ledger.read_text("utf-8").splitlines()[: len(before)] == before
    assert len(kept()) == len(set(kept())) == COUNT
    assert len(server.asked) - asked == COUNT - len(before)


def test_what_one_sample_is_refused_is_said_and_scored_by_nobody(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str], stub: ModuleType
) -> None:
    def picky(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if question(request) == 3:
            return 400, {"error": {"message": "the request exceeds the available context size"}}
        return 200, stub.completion(said(request))

    configured(serve(picky).url)
    code, told, _ = evaluate(capsys)
    assert (code, told["total"]["scored"], told["total"]["unscored"]) == (0, COUNT - 1, 1)
    assert told["samples"][3]["reason"] == "answered 400: the request exceeds the available context size"
    assert "q3" not in kept()


@pytest.mark.parametrize("models", ["<html>", "{cut of", ["m"], {"data": [{"name": "m"}]}])
def test_what_lists_no_models_is_no_server(
    models: Any, serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(models=models)
    configured(server.url)
    code, _, err = evaluate(capsys)
    assert (code, err) == (
        2,
        f"doctor: {server.url}/models is no list of models in OpenAI's protocol: "
        "start the server, or correct 'model' in e.yaml\n",
    )


@pytest.mark.parametrize("body", [{"error": "the model is being loaded"}, {"choices": []}, ["?"]])
def test_what_is_no_completion_is_said_and_scored_by_nobody(
    body: Any,
    serve: Serve,
    configured: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    stub: ModuleType,
) -> None:
    configured(serve(lambda asked: (200, body if question(asked) == 3 else stub.completion(said(asked)))).url)
    code, told, _ = evaluate(capsys)
    assert (code, told["total"]["scored"], told["samples"][3]["reason"]) == (
        0, COUNT - 1, f"answered no completion: {body}",
    )  # fmt: skip


def test_a_server_that_answers_no_completions_is_asked_no_further(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(lambda _: (200, {"error": "no model"}))
    configured(server.url)
    code, _, err = evaluate(capsys)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "answered no completion: {'error': 'no model'}; 0 of 24 answers are kept" in err
    assert len(server.asked) < COUNT


def test_half_an_answer_is_no_completion(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    configured(serve(lambda _: (200, '{"choices": [')).url)
    code, _, err = evaluate(capsys)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "answered no completion: Expecting value: line 1" in err


def test_a_server_that_hangs_is_not_waited_for(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doctor.evaluate.server.RETRIES", 0)
    configured(serve(delay=0.6).url, timeout=0.2, batch=8)
    code, _, err = evaluate(capsys)
    assert code == 2
    assert "gave no answer within 0.2 s" in err


@pytest.mark.parametrize(
    ("status", "message", "says"),
    [(401, "no such key", "answered 401: no such key"), (404, "no such model", "answered 404: no such model")],
)
def test_a_server_that_refuses_is_asked_no_further(
    status: int,
    message: str,
    says: str,
    serve: Serve,
    configured: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = serve(lambda _: (status, {"error": {"message": message}}))
    configured(server.url)
    code, _, err = evaluate(capsys)
    assert (code, len(err.splitlines())) == (2, 1)
    assert says in err
    assert len(server.asked) <= 4


def test_no_server_at_all(configured: Callable[..., None], capsys: pytest.CaptureFixture[str], serve: Serve) -> None:
    server = serve()
    configured(server.url)
    server.close()
    code, _, err = evaluate(capsys)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "cannot be reached" in err and "start the server, or correct 'model' in e.yaml" in err


def test_several_seeds_are_one_sample(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str], stub: ModuleType
) -> None:
    server = serve(lambda request: (200, stub.completion(said(request) if request["seed"] else "I do not know.")))
    configured(server.url, seed=[0, 1], temperature=0.7)
    _, told, _ = evaluate(capsys)
    assert len(told["samples"]) == len(server.asked) == 2 * COUNT
    assert {request["temperature"] for request in server.asked} == {0.7}
    assert (told["total"]["scored"], told["total"]["mean"]) == (COUNT, 5)


def test_a_name_that_the_server_does_not_offer(
    serve: Serve, configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    configured(serve().url)
    whole = json.loads(Path("e.yaml").read_text("utf-8"))
    Path("e.yaml").write_text(json.dumps({**whole, "name": "other"}), "utf-8")
    code, _, err = evaluate(capsys)
    assert code == 2
    assert "offers no model 'other'; it has stub" in err


def test_a_gguf_file_that_is_not_there_or_cannot_be_loaded(
    configured: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured("no/model.gguf")
    assert "'model' names no/model.gguf, which cannot be read: No such file or directory" in evaluate(capsys)[2]
    Path("empty.gguf").touch()
    configured("empty.gguf")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    code, _, err = evaluate(capsys)
    assert code == 2
    assert "doctor evaluate needs xllamacpp" in err and "pip install 'tune-doctor[gguf]'" in err


@pytest.mark.parametrize("model", ["runs/persona", "Qwen/Qwen3-0.6B"])
def test_what_is_no_server_is_told_how_to_be_one(
    model: str, configured: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    configured(model)
    code, _, err = evaluate(capsys)
    assert code == 2
    assert "neither a URL, nor a .gguf file, nor a folder that is here" in err
