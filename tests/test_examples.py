"""Every patch's and every check's own examples."""

from __future__ import annotations

import ast
import re
import textwrap

import pytest
from _pytest.mark import ParameterSet

from doctor.diagnose import CRASHED, checks, diagnose
from doctor.index import build, entries
from doctor.model import Check, Facts
from doctor.patch import BANNER, Example, Patch, catalogue, rewrite

PATCHES = [
    pytest.param(patch, example, id=f"{patch.id()}-{number}")
    for patch in catalogue()
    for number, example in enumerate(patch.examples)
]


def shown(text: str, patch: type[Patch]) -> str:
    """A rewritten file as examples show it: without the functions it brings along."""
    text = text.replace(BANNER + "\n", "")
    for source in patch.helpers.values():
        text = text.replace(textwrap.dedent(source).strip() + "\n", "")
    return re.sub(r"\n\n+", "\n", text).strip()


@pytest.mark.parametrize(("patch", "example"), PATCHES)
def test_before_becomes_after(patch: type[Patch], example: Example) -> None:
    done = rewrite(example.before + "\n", [patch])
    wanted = example.before if example.after is None else example.after
    assert shown(done.text, patch) == shown(wanted + "\n", patch)
    assert done.patches == (() if example.after is None else (patch.id(),))
    if example.after is None:
        assert done.text == example.before + "\n"


@pytest.mark.parametrize(("patch", "example"), PATCHES)
def test_after_stays_after(patch: type[Patch], example: Example) -> None:
    done = rewrite(example.before + "\n", [patch])
    assert rewrite(done.text, [patch]).text == done.text


@pytest.mark.parametrize(("patch", "example"), PATCHES)
def test_what_is_rewritten_is_python_and_brings_its_functions(patch: type[Patch], example: Example) -> None:
    text = rewrite(example.before + "\n", [patch]).text
    ast.parse(text)
    for name in set(re.findall(r"\b_doctor_\w+(?=\()", text)):
        assert f"def {name}(" in text


@pytest.mark.parametrize("patch", catalogue(), ids=lambda patch: patch.id())
def test_a_file_without_the_needle_is_not_even_parsed(patch: type[Patch]) -> None:
    assert rewrite("this is ( not python\n", [patch]).patches == ()


@pytest.mark.parametrize("patch", catalogue(), ids=lambda patch: patch.id())
def test_enough_examples(patch: type[Patch]) -> None:
    rewriting = [example for example in patch.examples if example.after is not None]
    assert len(patch.examples) - len(rewriting) >= 2, "two that must stay as they are"
    assert rewriting, "one that is rewritten"


def test_the_index_is_fresh() -> None:
    fresh = [entry.id for entry in entries()]
    assert fresh == [patch.id() for patch in catalogue()]
    assert all(f'"id": "{name}"' in build() for name in fresh)


def _cases(kind: str) -> list[ParameterSet]:
    return [
        pytest.param(check, facts, id=f"{check.id}-{number}")
        for check in checks()
        for number, facts in enumerate(getattr(check, kind))
    ]


@pytest.mark.parametrize(("check", "facts"), _cases("passes"))
def test_facts_that_pass(check: Check, facts: Facts) -> None:
    assert diagnose(facts, among=[check]).findings == ()


@pytest.mark.parametrize(("check", "facts"), _cases("fails"))
def test_facts_that_fail(check: Check, facts: Facts) -> None:
    findings = diagnose(facts, among=[check]).findings
    assert findings and all(finding.id == check.id for finding in findings)
    assert CRASHED not in {finding.id for finding in findings}
    assert all(finding.message and finding.remedy.text for finding in findings)
