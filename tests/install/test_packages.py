"""Remedies for packages, with a real pip, against an index in a folder."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from json import dumps, loads
from pathlib import Path
from typing import Any

import pytest

from doctor.cli import main
from doctor.commands.packages import installed
from doctor.diagnose import diagnose
from doctor.fix import Refused
from doctor.fix.journal import Journal
from doctor.install import Installation, Installer, Move, Pin, installation, resolver
from doctor.install.carry_out import carry_out
from doctor.install.resolver import Resolution
from doctor.install.wishes import wishes
from doctor.scan import Request, pins, scan

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the environments here are POSIX ones"),
    pytest.mark.skipif(not shutil.which("python") or not resolver._own_pip()[0].isdigit(), reason="there is no pip"),
]


@pytest.fixture
def broken(index: Any) -> Any:
    """transformers 4.47.1 whose hub was lifted to 2.4.0, beside a build of torch."""
    transformers = index.wheel("transformers", "4.47.1", "huggingface-hub<1.0,>=0.24.0", 'nothere ; extra == "fast"')
    index.wheel("huggingface-hub", "0.36.2", "filelock")
    hub = index.wheel("huggingface-hub", "2.4.0", "filelock")
    index.wheel("filelock", "3.29")
    index.install(transformers, hub, index.wheel("filelock", "3.20"), index.wheel("torch", "2.6.0+cu124"))
    return index


def fix(index: Any, *words: str) -> int:
    return main(["fix", "--packages", "--python", str(index.prefix), *words])


def resolved(index: Any) -> Resolution:
    """What would be installed, by one call of pip or two."""
    facts = scan(Request(python=str(index.prefix), caches=False))
    said = [Pin(text, pins.short(path, facts.directory), line) for text, path, line in pins.read(facts.directory)]
    tool = resolver.installer(facts)
    assert tool
    asked = wishes(diagnose(facts), facts, said)
    assert asked or asked.left
    return resolver.resolve(asked, facts, tool, said) if asked else Resolution(reason=str(asked.left[0]))


def test_shown_then_installed_then_undone(broken: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = broken.versions()
    assert fix(broken) == 1
    heard = capsys.readouterr()
    assert "1 distribution to install into" in heard.out
    assert "\n  huggingface-hub 2.4.0 -> 0.36.2\n" in heard.out
    assert f"{broken.python} -m pip install --no-deps huggingface-hub==0.36.2\n" in heard.out
    assert "no terminal to ask on" in heard.err
    assert (broken.versions(), Journal(None).runs()) == (before, ())

    assert fix(broken, "--yes") == 0
    assert "Installed 1 distribution. Take it back: doctor undo" in capsys.readouterr().out
    assert broken.versions() == {**before, "huggingface_hub": "0.36.2"}
    (run,) = Journal(None).runs()
    assert Journal(None).versions(run).read_text("utf-8").endswith("\nhuggingface-hub==2.4.0\n")
    assert main(["history"]) == 0
    assert "huggingface-hub 2.4.0 -> 0.36.2" in capsys.readouterr().out

    assert main(["undo"]) == 0
    assert "\n  huggingface-hub 0.36.2 -> 2.4.0\n" in capsys.readouterr().out
    assert broken.versions() == before


def test_without_the_flag_no_resolver_is_started(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "run", lambda command: pytest.fail(f"started {command}"))
    assert main(["fix", "--yes", "--python", str(broken.prefix)]) == 1


def test_it_is_installed_only_where_python_names_the_place(
    broken: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = broken.versions()
    monkeypatch.setenv("VIRTUAL_ENV", str(broken.prefix))
    assert main(["fix", "--packages", "--yes"]) == 1
    assert f"name the environment, --python {broken.prefix}" in capsys.readouterr().err
    assert broken.versions() == before


def test_what_the_project_pins_stays(broken: Any) -> None:
    Path("requirements.txt").write_text("# ours\nhuggingface-hub==2.4.0  # for the new download\n", "utf-8")
    reason = resolved(broken).reason
    assert "requirements.txt:2 (huggingface-hub==2.4.0) rules out huggingface-hub>=0.24.0,<1.0" in reason


def test_a_range_of_the_project_narrows_the_answer(broken: Any) -> None:
    Path("constraints.txt").write_text("huggingface_hub[cli]<0.30 ; python_version >= '3'\n", "utf-8")
    broken.wheel("huggingface-hub", "0.27.1", "filelock")
    assert resolved(broken).moves == (Move("huggingface-hub", "2.4.0", "0.27.1"),)


def test_what_it_needs_moves_only_where_it_must(broken: Any) -> None:
    asks = ("filelock>=3.25", "hf-xet ; python_version >= '3'", "nothere ; sys_platform == 'x'")
    broken.wheel("huggingface-hub", "0.36.2", *asks)
    broken.wheel("hf-xet", "1.2")
    assert resolved(broken).moves == (
        Move("filelock", "3.20", "3.29"),
        Move("hf-xet", None, "1.2"),
        Move("huggingface-hub", "2.4.0", "0.36.2"),
    )


def test_torch_is_never_exchanged(broken: Any) -> None:
    broken.wheel("huggingface-hub", "0.36.2", "filelock", "torch>=2.8")
    broken.wheel("torch", "2.9.0")
    found = resolved(broken)
    assert not found.moves
    assert "torch==2.6.0+cu124" in found.reason


def test_torch_is_not_brought_in_by_the_way(broken: Any) -> None:
    shutil.rmtree(broken.site / "torch-2.6.0+cu124.dist-info")
    broken.forget("torch*")
    broken.wheel("torch", "2.9.0")
    broken.wheel("huggingface-hub", "0.36.2", "filelock", "torch>=2.8")
    found = resolved(broken)
    assert not found.moves
    assert "it would install torch 2.9.0 where there is no torch: choose its build" in found.reason


def test_a_failing_installation_is_rolled_back(broken: Any, capsys: pytest.CaptureFixture[str]) -> None:
    broken.wheel("huggingface-hub", "0.36.2", "filelock>=3.25", broken=True)
    before = broken.versions()
    assert fix(broken, "--yes") == 1
    heard = capsys.readouterr().out
    assert "The installation failed, and what was there is back:" in heard
    assert "BadZipFile" in heard, heard
    assert broken.versions() == before
    assert [run.state for run in Journal(None).runs()] == ["undone"]


def test_nothing_is_installed_where_there_is_no_way_back(broken: Any, capsys: pytest.CaptureFixture[str]) -> None:
    broken.forget("huggingface_hub-2*")
    before = broken.versions()
    assert fix(broken, "--yes") == 1
    assert "could not be had again" in capsys.readouterr().err
    assert (broken.versions(), Journal(None).runs()) == (before, ())


def test_a_doctor_killed_half_way_is_undone(broken: Any) -> None:
    before = broken.versions()
    # A pip that installs, and does not only try, says that it has begun and waits.
    wait = "import os, sys, time\nif '--dry-run' not in sys.argv:\n"
    wait += "    open(os.environ['HALFWAY'], 'w').close()\n    time.sleep(60)\n"
    (broken.site / "sitecustomize.py").write_text(wait, "utf-8")
    halfway = broken.prefix / "halfway"
    command = [sys.executable, "-m", "doctor", "fix", "--packages", "--yes", "--python", str(broken.prefix)]
    child = subprocess.Popen(
        command, env={**os.environ, "HALFWAY": str(halfway)}, stdout=subprocess.DEVNULL, start_new_session=True
    )
    end = time.monotonic() + 60
    while not halfway.exists() and time.monotonic() < end and child.poll() is None:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    (broken.site / "sitecustomize.py").unlink()
    # As pip may leave it: the metadata of the old version are gone, its files are there.
    shutil.rmtree(broken.site / "huggingface_hub-2.4.0.dist-info")
    assert [run.state for run in Journal(None).runs()] == ["started"]
    assert main(["undo"]) == 0
    assert broken.versions() == before


def plan_for(index: Any) -> Installation:
    tool = Installer("pip", (str(index.python), "-m", "pip"))
    return Installation(str(index.prefix), tool, (Move("huggingface-hub", "2.4.0", "0.36.2"),))


def becomes(index: Any, version: str) -> None:
    """Give the hub's metadata another version, as an installer does."""
    (folder,) = index.site.glob("huggingface_hub-*.dist-info")
    metadata = folder / "METADATA"
    metadata.write_text(re.sub("(?m)^Version: .*", f"Version: {version}", metadata.read_text("utf-8")), "utf-8")
    folder.rename(index.site / f"huggingface_hub-{version}.dist-info")


def test_an_interrupt_puts_back_what_was_there(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def interrupted(command: list[str]) -> Any:
        done.append(shlex.join(command[3:]))
        if "--dry-run" not in command:
            becomes(broken, command[-1].partition("==")[2])
            if "--force-reinstall" not in command:
                raise KeyboardInterrupt
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(resolver, "run", interrupted)
    run = carry_out(plan_for(broken), Journal(None), installed)
    assert (run.state, [left.reason for left in run.left]) == ("undone", ["interrupted"])
    assert done == [
        "install --no-deps --force-reinstall huggingface-hub==2.4.0 --dry-run",
        "install --no-deps huggingface-hub==0.36.2",
        "install --no-deps --force-reinstall huggingface-hub==2.4.0",
    ]
    assert broken.versions()["huggingface_hub"] == "2.4.0"


def test_an_environment_that_changed_is_left_alone(broken: Any) -> None:
    becomes(broken, "0.27.1")
    with pytest.raises(Refused, match=r"huggingface-hub is 0\.27\.1 since the plan was made"):
        carry_out(plan_for(broken), Journal(None), installed)
    journal = Journal(None)
    with journal.locked():
        begun = journal.begin([], {}, installation=plan_for(broken))
        journal.save(replace(begun, state="done"))
    with pytest.raises(Refused, match=r"huggingface-hub is 0\.27\.1 since run"):
        journal.undo(installed=installed)


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed")
def test_uv_where_the_environment_is_uvs(broken: Any, capsys: pytest.CaptureFixture[str]) -> None:
    config = broken.prefix / "pyvenv.cfg"
    config.write_text(config.read_text("utf-8") + "uv = 0.9\n", "utf-8")
    before = broken.versions()
    assert fix(broken, "--yes") == 0
    assert "uv pip install --python" in capsys.readouterr().out
    assert broken.versions()["huggingface_hub"] == "0.36.2"
    assert main(["undo"]) == 0
    assert broken.versions() == before


def test_an_installation_goes_to_the_journal_and_back() -> None:
    tool = Installer("uv pip", ("uv", "pip"), ("--python", "/env"))
    moves = (Move("peft", "0.11", "0.21"), Move("quanto", "0.2", None), Move("tf-keras", None, "2.18"))
    made = Installation("/env", tool, moves)
    assert installation(loads(dumps(asdict(made)))) == made
    assert made.commands == [
        ["uv", "pip", "uninstall", "--python", "/env", "quanto"],
        ["uv", "pip", "install", "--python", "/env", "--no-deps", "peft==0.21", "tf-keras==2.18"],
    ]
    assert made.way_back == [
        ["uv", "pip", "install", "--python", "/env", "--no-deps", "--reinstall", "peft==0.11", "quanto==0.2"],
        ["uv", "pip", "uninstall", "--python", "/env", "tf-keras"],
    ]
    with pytest.raises(ValueError, match="not those of an installation"):
        installation({**asdict(made), "moves": []})
