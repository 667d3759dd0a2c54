"""What remedies ask for, and what a failing installer says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from doctor.diagnose import Diagnosis
from doctor.install import Pin, resolver
from doctor.install.wishes import OUT_OF_RANGE, Wishes, wishes
from doctor.model import Facts, Finding, Package, Remedy, Severity
from doctor.scan import pins

FACTS = Facts(packages={"torch": Package("torch", "2.4.0+cu121"), "peft": Package("peft", "0.11.1")})


def asked(*commands: str, severity: Severity = Severity.ERROR, said: tuple[Pin, ...] = ()) -> Wishes:
    findings = tuple(Finding("m", Remedy("command", "t", text), severity=severity, id=f"f{i}")
                     for i, text in enumerate(commands))  # fmt: skip
    return wishes(Diagnosis(findings, ()), FACTS, said)


def test_remedies_become_one_set() -> None:
    found = asked(
        "pip install 'peft>=0.20' accelerate",
        "/env/bin/python -m pip install peft 'trl[vllm]>=0.28'",
        "pip uninstall quanto && pip install optimum-quanto",
    )
    assert found.requirements == ("peft>=0.20", "accelerate", "trl[vllm]>=0.28", "optimum-quanto")
    assert (found.removed, found.left) == (("quanto",), ())
    assert found.names == {"peft", "accelerate", "trl", "optimum-quanto"}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("pip install 'torch>=2.6'", "in the place of the installed 2.4.0+cu121"),
        ("pip install --force-reinstall torch --index-url https://x/cu124", "another build of torch"),
        ("pip install --no-build-isolation 'flash-attn>=2.3.3'", "compiled for this torch"),
        ("pip install --pre peft", "its command has options: install --pre peft"),
    ],
)
def test_what_is_left_to_the_user_says_why(command: str, reason: str) -> None:
    found = asked(command)
    assert not found
    assert reason in found.left[0].reason


def test_a_range_asked_for_by_what_moves_is_left_to_the_resolver() -> None:
    packages = {**FACTS.packages, "trl": Package("trl", "0.9.6", requires=("numpy<2.0,>=1.18", "rich ; extra == 'x'"))}
    ranged = Finding("m", Remedy("command", "t", "pip install 'numpy<2.0'"), severity=Severity.ERROR, id=OUT_OF_RANGE)
    newer = Finding("m", Remedy("command", "t", "pip install 'trl>=0.28'"), severity=Severity.ERROR, id="f")
    facts = Facts(packages=packages)
    assert wishes(Diagnosis((ranged, newer), ()), facts).requirements == ("trl>=0.28", "numpy")
    assert wishes(Diagnosis((ranged,), ()), facts).requirements == ("numpy<2.0",)


def test_a_hint_moves_nothing_and_other_commands_are_not_pips() -> None:
    assert asked("pip install 'peft>=0.20'", severity=Severity.HINT) == Wishes()
    assert asked("uv tool install tune-doctor") == Wishes()


def test_a_pin_of_the_project_is_named() -> None:
    found = asked("pip install 'peft>=0.20'", said=(Pin("peft==0.11.1", "requirements.txt", 3),))
    assert found.left[0].reason == "requirements.txt:3 (peft==0.11.1) rules out peft>=0.20: change it there first"
    assert asked("pip install 'peft>=0.20'", said=(Pin("peft==0.21.2", "r.txt", 1),)).requirements == ("peft>=0.20",)


def test_pins_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "base.txt").write_text("PEFT[x] == 0.20  # why\n-r ../requirements.txt\n", "utf-8")
    (tmp_path / "requirements.txt").write_text("-r requirements/base.txt\n-e .\ntrl\n./x.whl\nidna<4 --hash=a:b\n")
    project = '[project]\nname = "x"\ndependencies = ["torch<3 ; python_version >= \'3\'", "nonsense=="]\n'
    (tmp_path / "pyproject.toml").write_text(project, "utf-8")
    found = {(text, Path(path).name, line) for text, path, line in pins.read(str(tmp_path))}
    assert found == {
        ("PEFT==0.20", "base.txt", 1),
        ("idna<4", "requirements.txt", 5),
        ('torch<3 ; python_version >= "3"', "pyproject.toml", 0),
    }


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("Collecting x\nERROR: No matching distribution found for x>=9\n", "No matching distribution found for x>=9"),
        (
            "ERROR: Cannot install a\n\nThe conflict is caused by:\n    a 1 depends on b<2\n    c 1 wants b>2\n\n",
            "a 1 depends on b<2; c 1 wants b>2",
        ),
        ("ERROR: Exception:\nTraceback\n  File x\nOSError: no space left\n", "OSError: no space left"),
        ("  × No solution found:\n  ╰─▶ Because x\n      is not there\n", "No solution found: Because x"),
        ("", "exit code 1"),
    ],
)  # fmt: skip
def test_the_reason_of_an_installer(output: str, reason: str) -> None:
    assert resolver.said(subprocess.CompletedProcess([], 1, output, "")) == reason
