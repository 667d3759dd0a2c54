"""The command line itself: exit codes, usage errors, completion, crashes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from doctor import __version__
from doctor.cli import COMMANDS, main

DOCTOR = [sys.executable, "-m", "doctor"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"doctor {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert command in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["chek"], "there is no command 'chek'; did you mean 'check'?"),
        (["train"], "name the configuration: doctor train CONFIG.yaml"),
        (["check", "--format", "docx"], "there is no --format value 'docx'; known are text, plain, json, markdown"),
        (["check", "--fail-on", "eror"], "did you mean 'error'?"),
        (["check", "--verbos"], "unrecognized arguments: --verbos"),
        (["check", "no/such/file.py"], "no/such/file.py does not exist"),
        (["check", "--select", "rope-scaling-type-kee"], "did you mean 'rope-scaling-type-key'?"),
        (["check", "--ignore", "x,rope-scaling-type-key"], "--ignore: there is no check 'x'"),
        (["check", "--against", "transformers"], "names no single release: write transformers==VERSION"),
        (["check", "--against", "==5"], "is not a requirement"),
        (["check", "--facts", "no-such.json"], "cannot read no-such.json"),
        (["check", "--output", "no/folder/report.txt"], "cannot write no/folder/report.txt"),
        (["explain", "rope-scaling-type-kee"], "did you mean 'rope-scaling-type-key'?"),
        (["run"], "no command; write e.g. doctor run -- python train.py"),
        (["run", "--"], "no command; write e.g. doctor run -- python train.py"),
    ],
)
def test_usage_errors(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert main(arguments) == 2
    heard = capsys.readouterr()
    assert says in heard.err
    assert heard.out == ""
    assert len(heard.err.splitlines()) == 1


def test_a_failure_of_ours_is_one_sentence_and_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "doctor.commands.list", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert main(["list"]) == 3
    [page] = tmp_path.glob("doctor-crash-*.txt")
    assert str(page) in capsys.readouterr().err
    assert "Traceback" in page.read_text("utf-8")
    with pytest.raises(ModuleNotFoundError):
        main(["list", "--debug"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-completion", shell]) == 0
    script = capsys.readouterr().out
    assert "history" in script
    assert "save-facts" in script


def test_a_reader_that_goes_away_is_no_error() -> None:
    writer = subprocess.Popen([*DOCTOR, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.close()
    with writer.stderr as stderr:
        assert stderr.read() == b""
    assert writer.wait() in (0, 141)


def test_an_error_stands_behind_the_report_it_is_about(work: Path) -> None:
    command = [sys.executable, "-m", "doctor", "fix", "tiny"]
    both = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    assert both.endswith("doctor: nothing was changed, for there is no terminal to ask on: pass --yes to apply\n")
    gone = subprocess.run(
        f"{shlex.join(command)} | true; exit ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash",
        capture_output=True, text=True,
    )  # fmt: skip
    assert "Traceback" not in gone.stderr
    assert "Broken" not in gone.stderr
    assert gone.returncode in (1, 141)


def test_closed_streams_are_no_error(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *DOCTOR, "check"]
    assert subprocess.run(shell, cwd=tmp_path, env=environment).returncode in (0, 1)


def test_no_heavy_import_to_check(tmp_path: Path) -> None:
    code = (
        "import sys, doctor.cli; code = doctor.cli.main(['check', '--format', 'plain']); "
        "heavy = {'torch', 'transformers', 'libcst', 'pydantic', 'shtab', 'rich', 'rich_argparse', 'huggingface_hub'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
