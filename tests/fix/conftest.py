"""Plans and journals that write into a temporary folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from doctor.fix.journal import Journal
from doctor.fix.plan import Edit, Plan

PlanOf = Callable[[dict[Path, str]], Plan]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state")


@pytest.fixture
def plan_of() -> PlanOf:
    """A plan that gives files, as they are now, a new text."""

    def make(texts: dict[Path, str]) -> Plan:
        return Plan(tuple(edit(path, text) for path, text in texts.items()))

    return make


def edit(path: Path, after: str) -> Edit:
    data = path.read_bytes()
    return Edit(str(path), hashlib.sha256(data).hexdigest(), data.decode(), after, ("a-patch",))
