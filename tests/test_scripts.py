"""Every script of tests/scripts is found to be broken, and is well once it is rewritten; tests/live runs them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from doctor.diagnose import diagnose
from doctor.model import Facts, Finding, Package, Source
from doctor.patch import rewrite
from doctor.releases import MATRIX

FOLDER = Path(__file__).parent / "scripts"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.stem != "tiny")


def found(text: str, release: str) -> list[Finding]:
    facts = Facts(
        sources=(Source("train.py", "script", text),), packages={"transformers": Package("transformers", release)}
    )
    return list(diagnose(facts).findings)


def test_there_are_enough_of_them() -> None:
    assert len(SCRIPTS) >= 60


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_broken_until_it_is_rewritten(path: Path) -> None:
    text = path.read_text("utf-8")
    releases = [f"{major}.{minor}.0" for major, minor in MATRIX]
    broken = "4.47.1" if "Fails on 4" in text else "5.23.0"
    assert [finding for finding in found(text, broken) if finding.patch]
    after = rewrite(text).text
    ast.parse(after)
    assert rewrite(after).text == after
    for release in releases:
        left = found(after, release)
        assert not left, f"{release}: {left[0].message}"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_what_is_not_rewritten_stays(path: Path) -> None:
    """Lines that name nothing of what changed are the same, in the same order."""
    before = path.read_text("utf-8").splitlines()
    after = set(rewrite("\n".join(before)).text.splitlines())
    lost = [line for line in before if line not in after]
    assert len(lost) <= len(before) / 2
