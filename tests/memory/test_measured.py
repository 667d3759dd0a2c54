"""The predictions beside what was measured; `nox -s memory` prints the same as a table."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROWS: tuple[Any, ...] = runpy.run_path(str(Path(__file__).with_name("measured.py")))["ROWS"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_prediction_is_within_its_bound(row: Any) -> None:
    assert abs(row.error) <= row.bound, f"{row.figure} predicted, {row.measured} measured"


@pytest.mark.parametrize("row", [row for row in ROWS if not row.host], ids=lambda row: row.what)
def test_the_interval_holds_what_was_measured(row: Any) -> None:
    estimate = row.predicted()
    assert estimate.low <= row.measured * 1.001 and row.measured <= estimate.high
    assert sum(estimate.parts.values()) == estimate.peak
