"""Every format whole: a change of wording is seen in the diff of its golden file.

After a wanted change: `GOLDEN=write pytest tests/report`, and read the diff.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from doctor.diagnose import Diagnosis
from doctor.model import Facts, Finding, Location, Package, Remedy, Severity, Source
from doctor.report import FORMATS, Report, render

GOLDEN = Path(__file__).parent / "golden"
SUFFIX = {
    "text": "text.txt",
    "plain": "plain.txt",
    "json": "json",
    "markdown": "md",
    "html": "html",
    "sarif": "sarif",
    "github": "github.txt",
}


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("state", ["sick", "well"])
def test_whole_report(state: str, format: str, request: pytest.FixtureRequest) -> None:
    golden(f"{state}.{SUFFIX[format]}", render(request.getfixturevalue(state), format))


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_from_outside_reaches_the_terminal_raw(sick: Report, format: str) -> None:
    text = render(sick, format)
    assert not {"\x1b", "\x07", "\r"} & set(text)


def test_verbose_names_every_skip(sick: Report) -> None:
    text = render(replace(sick, verbose=True), "text")
    assert "old6.py" in text
    assert "more: doctor check -v" not in text


def test_paths_and_commands_are_never_broken(sick: Report) -> None:
    long = replace(sick, fix="doctor fix " + "/a/long/path" * 20)
    assert long.fix in render(long, "text")


def test_markdown_has_no_personal_path(sick: Report) -> None:
    assert "/home/ada" not in render(sick, "markdown")


def test_without_transformers_says_what_was_judged(well: Report) -> None:
    bare = replace(well, facts=replace(well.facts, packages={"torch": Package("torch", "2.13.0")}))
    for format in ("text", "plain", "markdown"):
        assert "5.23.0, the newest known release" in " ".join(render(bare, format).split())


def test_against_is_named(well: Report) -> None:
    text = render(replace(well, against=("transformers==4.47.1", "transformers==5.0.0")), "text")
    assert "judged against transformers==4.47.1 and transformers==5.0.0" in text


def test_empty_facts_print_in_every_format() -> None:
    for format in FORMATS:
        assert render(Report(Facts(), Diagnosis((), ())), format)


def test_json_is_the_contract(sick: Report) -> None:
    page = json.loads(render(sick, "json"))
    assert list(page) == ["schema", "doctor", "facts", "findings", "skipped", "summary"]
    assert page["summary"] == {"error": 4, "warning": 2, "hint": 0}
    first, notebook = page["findings"][0], page["findings"][-1]
    assert list(first) == ["id", "family", "severity", "title", "message", "where", "patch", "remedy"]
    assert first["where"] == {"path": sick.diagnosis.findings[0].where.path, "line": 214, "column": 9}  # type: ignore[union-attr]
    assert notebook["where"]["cell"] == 2
    assert page["findings"][4]["where"] is None
    assert first["remedy"] == {
        "kind": "edit",
        "text": "rewrite the file so that it runs on every release",
        "value": "doctor fix .",
        "safe": True,
    }


def test_what_lies_in_the_environment_belongs_to_it(well: Report) -> None:
    twice = Finding(
        "torch 2.12.0 is imported, but there is also 2.13.0",
        Remedy("command", "run `pip uninstall torch`", "pip uninstall torch"),
        Location("/home/ada/venv/lib/python3.11/site-packages/torch-2.13.0.dist-info"),
        severity=Severity.WARNING,
        id="distribution-twice",
        title="A distribution is installed twice",
    )
    text = render(replace(well, diagnosis=Diagnosis((twice,), ())), "text")
    assert "! This environment\n  ! A distribution is installed twice  distribution-twice\n" in text


def test_folders_are_named_where_they_change(sick: Report) -> None:
    first, *rest = sick.diagnosis.findings
    elsewhere = replace(rest[0], where=Location(f"{sick.facts.models[0].path}/config.json"))
    text = render(replace(sick, diagnosis=Diagnosis((first, elsewhere), ())), "text")
    lines = [line.strip() for line in text.splitlines()]
    assert lines.index("modeling_phi3.py:214") < lines.index("config.json")
    assert [line[-13:] for line in lines if line.startswith("~/.cache")] == ["0a67737cc96d/"] * 2


@pytest.mark.parametrize("format", ["text", "plain", "markdown", "html"])
def test_a_release_that_nobody_knows_yet_is_named(well: Report, format: str) -> None:
    words = "5.24.1 is newer than 5.23.0, the newest known release: what it changed is not known"

    def said(report: Report) -> bool:
        return words in " ".join(render(report, format).replace("#", " ").split())

    newer = {**well.facts.packages, "transformers": Package("transformers", "5.24.1")}
    assert said(replace(well, facts=replace(well.facts, packages=newer)))
    assert said(replace(well, against=("Transformers == 5.24.1", "torch==2.0")))
    assert not said(replace(well, against=("transformers==5.23.4", "torch==5.24.1")))
    assert not said(replace(well, facts=replace(well.facts, packages=newer), against=("transformers==4.47.1",)))


def test_a_file_is_called_what_it_is(well: Report) -> None:
    names = {
        "Dockerfile": "image", "uv.lock": "lock", "requirements-dev.txt": "requirements",
        "pyproject.toml": "requirements", "sft.yaml": "configuration", "run.sh": "shell script", "Makefile": "file",
    }  # fmt: skip
    sources = tuple(Source(f"/home/ada/runs/{name}", "text") for name in names)
    found = tuple(
        Finding("m", Remedy("advice", "r"), Location(source.path, 1), severity=Severity.HINT, id="a", title="t")
        for source in sources
    )
    text = render(replace(well, facts=replace(well.facts, sources=sources), diagnosis=Diagnosis(found, ())), "text")
    assert all(f"· {name}  {what}\n" in text for name, what in names.items())
    sources = (*sources, Source("/home/ada/runs/a.py", "script"), Source("/home/ada/runs/b.ipynb", "notebook"))
    assert "✓ 7 files\n" in render(replace(well, facts=replace(well.facts, sources=sources[:7])), "text")
    quiet = render(replace(well, facts=replace(well.facts, sources=sources)), "text")
    assert "✓ 1 script, 1 notebook, 7 other files\n" in quiet


def test_a_word_to_write_stands_in_the_sentence(well: Report) -> None:
    one = Remedy("edit", "write `eval_strategy`", "eval_strategy", safe=True)
    found = Finding("m", one, Location("/home/ada/runs/sft.yaml", 3), severity=Severity.ERROR, id="a", title="t")
    text = render(replace(well, diagnosis=Diagnosis((found,), ())), "text")
    assert "    → write `eval_strategy`\n" in text
    assert text.count("eval_strategy") == 1
