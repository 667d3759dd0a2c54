"""The examples of every check and breakage: those that pass are silent, those that fail are found."""

from __future__ import annotations

import pytest

from doctor.diagnose import checks, diagnose
from doctor.model import Check, Facts

PASSES = [pytest.param(c, f, id=f"{c.id}-{n}") for c in checks() for n, f in enumerate(c.passes)]
FAILS = [pytest.param(c, f, id=f"{c.id}-{n}") for c in checks() for n, f in enumerate(c.fails)]


@pytest.mark.parametrize(("check", "facts"), PASSES)
def test_what_is_well_gives_no_finding(check: Check, facts: Facts) -> None:
    diagnosis = diagnose(facts, among=[check])
    assert diagnosis.findings == ()
    assert diagnosis.skipped == ()


@pytest.mark.parametrize(("check", "facts"), FAILS)
def test_what_is_wrong_is_found_and_the_remedy_can_be_followed(check: Check, facts: Facts) -> None:
    found = diagnose(facts, among=[check]).findings
    assert {finding.id for finding in found} == {check.id}
    for finding in found:
        assert finding.message and not finding.message.endswith(".")
        assert finding.remedy.text[0].islower() and not finding.remedy.text.endswith(".")
        assert finding.remedy.kind == "advice" or finding.remedy.value


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.id)
def test_an_empty_machine_is_well(check: Check) -> None:
    assert diagnose(Facts(), among=[check]).findings == ()


def test_ids_are_unique() -> None:
    ids = [check.id for check in checks()]
    assert len(ids) == len(set(ids))
