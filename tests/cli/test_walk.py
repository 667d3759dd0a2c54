"""The stranger's walk: check, fix, check, undo on a broken model, every printed word of it."""

from __future__ import annotations

import json
import os
import re
from hashlib import sha256
from pathlib import Path

import pytest

from doctor.cli import main

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str, text: str) -> None:
    """Compare with a golden file; `GOLDEN=write pytest tests/cli` writes it."""
    text = re.sub(r"\d{8}-\d{6}-\d+", "RUN", text)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_text(text, "utf-8")
    assert text == (GOLDEN / name).read_text("utf-8")


def body(report: str) -> str:
    """A text report less its header, which names this machine's GPU."""
    return report.partition("\n\n")[2]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def test_walk(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(work / "tiny")

    assert main(["check", "tiny"]) == 1
    golden("check.txt", body(capsys.readouterr().out))

    assert main(["fix", "--diff", "tiny"]) == 1
    diff = capsys.readouterr().out
    assert diff.startswith("--- tiny/modeling_tiny.py\n+++ tiny/modeling_tiny.py\n@@ ")
    assert '\n-            self.kind = self.config.rope_scaling["type"]\n' in diff
    assert digests(work / "tiny") == before

    assert main(["fix", "tiny"]) == 1
    heard = capsys.readouterr()
    assert heard.err == "doctor: nothing was changed, for there is no terminal to ask on: pass --yes to apply\n"
    assert heard.out.startswith(diff)
    golden("plan.txt", re.sub(r"\+\d+", "+N", heard.out.removeprefix(diff)))
    assert digests(work / "tiny") == before

    assert main(["fix", "--yes", "tiny"]) == 0
    golden("fix.txt", re.sub(r"\+\d+", "+N", capsys.readouterr().out.partition(" Examined")[0]))
    assert digests(work / "tiny") != before

    assert main(["check", "tiny"]) == 0
    assert "Nothing to mend." in capsys.readouterr().out
    assert main(["fix", "--yes", "tiny"]) == 0
    assert main(["history"]) == 0
    assert "modeling_tiny.py" in capsys.readouterr().out

    assert main(["undo"]) == 0
    golden("undo.txt", capsys.readouterr().out)
    assert digests(work / "tiny") == before
    assert main(["undo"]) == 1
    assert "no fix that could be undone" in capsys.readouterr().err


def test_fix_for_a_program_prints_only_the_report(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", "--yes", "--format", "json", "tiny"]) == 0
    heard = capsys.readouterr()
    assert json.loads(heard.out)["summary"]["error"] == 0
    assert "1 file to rewrite" in heard.err


def test_undo_refuses_a_file_that_changed(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", "--yes", "tiny"]) == 0
    code = work / "tiny" / "modeling_tiny.py"
    code.write_text(code.read_text("utf-8") + "# mine\n", "utf-8")
    assert main(["undo"]) == 1
    assert "changed since run" in capsys.readouterr().err
    assert code.read_text("utf-8").endswith("# mine\n")


def test_facts_are_recorded_and_judged_elsewhere(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["check", "tiny", "--save-facts", "facts.json", "--format", "json"]) == 1
    here = json.loads(capsys.readouterr().out)
    monkeypatch.delenv("VIRTUAL_ENV")
    (work / "tiny").rename(work / "gone")
    assert main(["check", "--facts", "facts.json", "--format", "json"]) == 1
    there = json.loads(capsys.readouterr().out)
    assert there["facts"] == here["facts"]
    assert [f["message"] for f in there["findings"]] == [f["message"] for f in here["findings"]]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 99}', "null", '{"packages": 3}'])
def test_facts_that_are_none(work: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "facts.json").write_text(text, "utf-8")
    assert main(["check", "--facts", "facts.json"]) == 2
    assert "facts.json holds no facts" in capsys.readouterr().err


def test_select_ignore_and_fail_on(work: Path) -> None:
    assert main(["check", "tiny", "--select", "rope-scaling-type-key"]) == 1
    assert main(["check", "tiny", "--ignore", "rope-scaling-type-key,removed-attribute"]) == 0
    assert main(["check", "tiny", "--ignore", "rope-scaling-type-key", "--ignore", "removed-attribute"]) == 0
    assert main(["check", "tiny", "--against", "transformers==4.47.1"]) == 0
    assert main(["check", "tiny", "--against", "transformers==4.47.1", "--fail-on", "warning"]) == 1


def test_settings_of_the_project(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "pyproject.toml").write_text('[tool.doctor]\nselect = ["variable-ignored"]\n', "utf-8")
    assert main(["check", "tiny"]) == 0
    assert main(["check", "tiny", "--select", "rope-scaling-type-key"]) == 1
    (work / "pyproject.toml").write_text('[tool.doctor.per-file-ignores]\n"tiny/*" = ["removed-atribute"]\n', "utf-8")
    capsys.readouterr()
    assert main(["check", "tiny"]) == 2
    assert "did you mean 'removed-attribute'?" in capsys.readouterr().err


def test_several_releases_say_where(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["--against", "transformers==4.47.1", "--against", "transformers==5.23.0"]
    assert main(["check", "tiny", "--select", "rope-scaling-type-key", *both, "--format", "json"]) == 1
    [finding] = json.loads(capsys.readouterr().out)["findings"]
    assert finding["severity"] == "error"
    assert finding["message"].endswith("(on transformers==5.23.0)")


def test_report_into_a_file(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "tiny", "--format", "markdown", "--output", "report.md"]) == 1
    assert capsys.readouterr().out == ""
    assert "rope-scaling-type-key" in (work / "report.md").read_text("utf-8")


def test_pip_is_that_of_the_environment_named(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = work / "env" / "lib" / "python3.11" / "site-packages"
    for name, version, needs in (("huggingface-hub", "2.4.0", ""), ("tool", "1.0", "Requires-Dist: huggingface-hub<1")):
        (site / f"{name}-{version}.dist-info").mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}\n"
        (site / f"{name}-{version}.dist-info" / "METADATA").write_text(text, "utf-8")
    for options, pip in (([], "pip "), (["--python", "env"], f"{work / 'env' / 'bin' / 'python'} -m pip ")):
        assert main(["check", "--select", "package-out-of-range", "--format", "json", *options]) == 1
        [finding] = json.loads(capsys.readouterr().out)["findings"]
        assert finding["remedy"]["value"].startswith(f"{pip}install ")
        assert finding["remedy"]["text"].startswith(f"run `{pip}install ")
