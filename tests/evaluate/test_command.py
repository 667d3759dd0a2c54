"""`doctor evaluate` from the command line: reports, exit codes, comparison."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doctor.cli import main
from doctor.evaluate.statistics import interval

GOLDEN = Path(__file__).parent / "golden"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["evaluate", *arguments])
    heard = capsys.readouterr()
    return code, heard.out, heard.err


def test_the_contract(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "evaluate.yaml", "--answers", "answers.jsonl", "--format", "json")
    told = json.loads(out)
    assert (code, err, told["schema"]) == (0, "", 1)
    who, tom, age = told["samples"]
    assert (who["id"], who["category"], who["answer"]) == ("who", "identity", "I am Mira.")
    assert who["scores"]["facts"]["value"] == 10
    assert tom["scores"]["facts"]["value"] == 0
    assert "father" in tom["scores"]["facts"]["explanation"]
    assert (age["answer"], age["scores"], age["value"]) == (None, {}, None)
    assert set(told["categories"]) == {"identity", "family"}
    assert told["categories"]["family"]["unscored"] == 1
    total = told["total"]
    assert (total["mean"], total["scored"], total["unscored"]) == (5, 2, 1)
    assert 0 <= total["low"] <= total["mean"] <= total["high"] <= 10
    assert total["stderr"] == 5


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_the_report_as_it_is_printed(form: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "evaluate.yaml", "--answers", "answers.jsonl", "--format", form)
    assert code == 0
    assert out == (GOLDEN / f"report.{form}").read_text("utf-8")


def test_html_needs_nothing_else_and_runs_nothing_it_shows(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = {"id": "tom", "answer": "<script>alert(1)</script> Tom is my father.\x1b[2J"}
    (work / "answers.jsonl").write_text(json.dumps(bad), "utf-8")
    _, out, _ = said(capsys, "evaluate.yaml", "--answers", "answers.jsonl", "--format", "html")
    assert "<script>alert" not in out
    assert "&lt;script&gt;alert(1)" in out
    assert "<mark>father</mark>" in out or "<mark>Tom is my father</mark>" in out
    assert "\x1b" not in out
    assert "http" not in out.replace("http-equiv", "")


def test_terminal_escapes_are_shown_not_sent(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "answers.jsonl").write_text(json.dumps({"id": "tom", "answer": "My father.\x1b[2J\r"}), "utf-8")
    for form in ("text", "markdown"):
        _, out, _ = said(capsys, "evaluate.yaml", "--answers", "answers.jsonl", "--format", form)
        assert "\x1b" not in out


def test_a_score_can_fail_a_build(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("evaluate.yaml", "--answers", "answers.jsonl", "--fail-under")
    assert said(capsys, *asked, "5")[0] == 0
    assert said(capsys, *asked, "5.1")[0] == 1


def test_answers_to_other_questions_are_told(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (work / "answers.jsonl").open("a") as file:
        file.write('{"id": "stranger", "answer": "x"}\n')
    _, _, err = said(capsys, "evaluate.yaml", "--answers", "answers.jsonl")
    assert "answers.jsonl: 1 of its answers belongs to no sample, the first has the id 'stranger'" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no.yaml"], "cannot read the configuration no.yaml"),
        (["evaluate.yaml"], "has no 'model'"),
        (["evaluate.yaml", "--answers", "no.jsonl"], "cannot read the answers no.jsonl"),
        (["evaluate.yaml", "other.yaml", "--answers", "a"], "one configuration at a time"),
        (["compare", "a"], "name the runs to compare"),
        (["compare", "a", "b"], "cannot read the run a"),
        (["compare", ".", "."], "holds no evaluation.json"),
        (["compare", "evaluate.yaml", "evaluate.yaml"], "is not an evaluation"),
        (["evaluate.yaml", "--format", "xml"], "there is no --format value 'xml'"),
    ],
)
def test_usage_errors(arguments: list[str], says: str, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_missing_extra_is_a_sentence_with_its_command(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    interval.cache_clear()
    code, out, err = said(capsys, "evaluate.yaml", "--answers", "answers.jsonl")
    assert (code, out) == (2, "")
    assert "pip install 'tune-doctor[evaluate]'" in err
    assert len(err.splitlines()) == 1


def run_file(path: Path, scores: list[float]) -> None:
    samples = [
        {
            "id": f"s{n}", "category": "odd" if n % 2 else "even", "question": f"Q{n}", "reference": "",
            "answer": f"answer {n} of {score}", "finish": "", "reason": "", "seed": 0, "split": "", "weight": 1.0,
            "digest": f"d{n}", "value": score,
            "scores": {"facts": {"value": score, "explanation": "so", "evidence": [], "kind": ""}},
        }
        for n, score in enumerate(scores)
    ]  # fmt: skip
    whole = {"schema": 1, "name": path.stem, "scorers": ["facts"], "settings": {}, "samples": samples}
    path.write_text(json.dumps(whole), "utf-8")


def test_compare_tells_a_better_run(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_file(work / "a.json", [5.0] * 20)
    run_file(work / "b.json", [7.0, 6.0] * 9 + [4.0, 5.0])
    code, out, err = said(capsys, "compare", "a.json", "b.json", "--format", "json")
    assert (code, err) == (0, "")
    [found] = json.loads(out)["comparisons"]
    total = found["total"]
    assert found["told"] is True
    assert (total["samples"], total["better"], total["worse"], total["same"]) == (20, 18, 1, 1)
    assert total["mean"] == pytest.approx(1.3)
    assert 0.8 < total["low"] < 1.3 < total["high"] < 1.8
    assert found["verdict"] == "b is better than a: +1.30 points of 10"
    assert set(found["categories"]) == {"odd", "even"}
    assert said(capsys, "compare", "a.json", "b.json", "--fail-if-worse")[0] == 0
    assert said(capsys, "compare", "b.json", "a.json", "--fail-if-worse")[0] == 1
    assert said(capsys, "compare", "b.json", "a.json")[0] == 0


def test_compare_as_it_is_printed(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_file(work / "a.json", [5.0, 8.0, 5.0, 6.0, 7.0, 4.0])
    run_file(work / "b.json", [6.0, 7.0, 5.0, 6.0, 8.0, 4.5])
    code, out, _ = said(capsys, "compare", "a.json", "b.json")
    assert (code, out) == (0, (GOLDEN / "compare.text").read_text("utf-8"))


def test_compare_leaves_out_what_is_not_the_same_question(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_file(work / "a.json", [5.0, 8.0, 5.0])
    run_file(work / "b.json", [6.0, 7.0, 5.0, 6.0])
    other = json.loads((work / "b.json").read_text("utf-8"))
    other["samples"][0]["digest"] = "another"
    (work / "b.json").write_text(json.dumps(other), "utf-8")
    _, out, _ = said(capsys, "compare", "a.json", "b.json", "--format", "json")
    left = {one["id"]: one["reason"] for one in json.loads(out)["comparisons"][0]["left_out"]}
    assert left == {"s0": "the sample was changed between the runs", "s3": "only in b"}


def changed(path: Path, change: Callable[[int, dict[str, Any]], None]) -> None:
    """Change every sample of a run, by its number."""
    whole = json.loads(path.read_text("utf-8"))
    for number, sample in enumerate(whole["samples"]):
        change(number, sample)
    path.write_text(json.dumps(whole), "utf-8")


def test_what_was_trained_on_and_what_was_not_are_compared_apart(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_file(work / "a.json", [5.0] * 20)
    run_file(work / "b.json", [9.0, 4.0] * 10)
    for name in ("a.json", "b.json"):
        changed(work / name, lambda n, sample: sample.update(split="holdout" if n % 2 else "train"))
    [found] = json.loads(said(capsys, "compare", "a.json", "b.json", "--format", "json")[1])["comparisons"]
    gains = {name: (row["mean"], row["p_holm"] < 0.05) for name, row in found["splits"].items()}
    assert gains == {"train": (4, True), "holdout": (-1, True)}
    for form in ("text", "markdown", "html"):
        assert "holdout" in said(capsys, "compare", "a.json", "b.json", "--format", form)[1]
    changed(work / "a.json", lambda n, sample: sample.update(split=""))
    assert "holdout" not in said(capsys, "compare", "a.json", "b.json")[1]


def test_tasks_of_the_harness_are_compared(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (("a.json", 0.5), ("b.json", 0.75)):
        run_file(work / name, [5.0, 6.0, 7.0])
        whole = json.loads((work / name).read_text("utf-8"))
        one = {"task": "arc", "metric": "acc", "value": value, "stderr": 0.03 if value < 0.7 else 0.04, "samples": 9}
        other = {**one, "task": "boolq", "samples": int(value * 8)}
        (work / name).write_text(json.dumps({**whole, "lm_eval": [one, other]}), "utf-8")
    [found] = json.loads(said(capsys, "compare", "a.json", "b.json", "--format", "json")[1])["comparisons"]
    [task] = found["lm_eval"]
    assert (task["task"], task["gain"], task["stderr"]) == ("arc", 0.25, pytest.approx(0.05))
    for form in ("text", "markdown", "html"):
        out = said(capsys, "compare", "a.json", "b.json", "--format", form)[1]
        assert "+0.2500" in out and "0.0500" in out and "boolq" not in out


def test_prompts_that_differ_are_told(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.json", "b.json"):
        run_file(work / name, [5.0, 6.0, 7.0])
        changed(work / name, lambda n, sample: sample.update(prompt=f"p{n}", prompt_tokens=10))
    assert "prompts" not in said(capsys, "compare", "a.json", "b.json")[1]
    changed(work / "b.json", lambda n, sample: sample.update(prompt=f"p{n % 2}"))
    differ = "The prompts of 1 of 3 samples differ in their token ids"
    assert differ in said(capsys, "compare", "a.json", "b.json")[1]
    changed(work / "b.json", lambda n, sample: sample.update(prompt="", prompt_tokens=11))
    for form in ("text", "markdown", "html"):
        out = " ".join(said(capsys, "compare", "a.json", "b.json", "--format", form)[1].split())
        assert "The prompts of 3 of 3 samples differ in their number of tokens" in out


def test_what_is_printed_can_be_compared(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        asked = ("evaluate.yaml", "--answers", "answers.jsonl", "--format", "json", "--output", f"{name}.json")
        assert said(capsys, *asked) == (0, "", "")
    code, out, _ = said(capsys, "compare", "a.json", "b.json")
    assert code == 0
    assert "No difference between a.json and b.json" in out
