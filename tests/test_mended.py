"""What patches mend is found: a file that is broken by nothing else is rewritten, and is well after that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doctor.diagnose import diagnose
from doctor.model import Facts, Finding, Source
from doctor.patch import Example, Patch, catalogue, rewrite
from doctor.releases import MATRIX
from doctor.spelling import remote_code

CASES = [
    pytest.param(patch, example, id=f"{patch.id()}-{number}")
    for patch in catalogue()
    for number, example in enumerate(patch.examples)
    if example.after is not None
]
RELEASES = [f"{major}.{minor}.0" for major, minor in MATRIX]


def found(text: str, family: str) -> list[Finding]:
    """The findings of one file, on all releases of the matrix."""
    return [finding for release in RELEASES for finding in diagnose(facts(text, release, family)).findings]


def facts(text: str, release: str, family: str) -> Facts:
    """One file of remote code, or one script, judged on a release."""
    made = remote_code(text, release)
    return replace(made, sources=(Source("train.py", "script", text),)) if family == "script" else made


@pytest.mark.parametrize(("patch", "example"), CASES)
def test_what_a_patch_rewrites_is_a_finding(patch: type[Patch], example: Example) -> None:
    assert [finding for finding in found(example.before + "\n", patch.family) if finding.patch]


@pytest.mark.parametrize(("patch", "example"), CASES)
def test_after_the_fix_nothing_is_found_that_a_patch_mends(patch: type[Patch], example: Example) -> None:
    left = [finding for finding in found(rewrite(example.before + "\n").text, patch.family) if finding.patch]
    assert not left, left[0].message
