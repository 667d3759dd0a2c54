"""`list` and `explain` know everything there is."""

from __future__ import annotations

import pytest

from doctor import breakages, index
from doctor.cli import main
from doctor.diagnose import CRASHED, checks


def test_list_has_every_unit_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    kinds = [(row[0], row[1]) for row in rows]
    assert len(set(kinds)) == len(kinds) == len(checks()) + len(index.entries())
    assert {name for name, kind in kinds if kind == "breakage"} == {check.id for check in breakages.load()}


@pytest.mark.parametrize("name", [CRASHED, *(check.id for check in checks())])
def test_every_check_and_breakage_has_a_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    page = capsys.readouterr().out
    assert page.startswith("# ")
    assert f"`{name}`" in page


@pytest.mark.parametrize("name", [entry.id for entry in index.entries()])
def test_every_patch_has_a_page_with_a_rewrite(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    page = capsys.readouterr().out
    assert "Before:" in page
    assert "After:" in page
