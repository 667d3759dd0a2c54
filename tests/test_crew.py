"""Work that several processes share: the same answers in the same order, and errors that come back."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Sequence

import pytest

from doctor import diagnose as module
from doctor.code import Code
from doctor.crew import spread
from doctor.diagnose import diagnose
from doctor.model import Check, Facts, Finding, Remedy, Severity, Source

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process does it all")


def bad_name(code: Code, facts: Facts) -> Iterator[Finding]:
    for name in code.nodes(ast.Name):
        yield Finding(f"{name.id} is bad", Remedy("advice", "rename it"), code.location(name))


BAD = Check("bad-name", "test", Severity.ERROR, "Bad.", read=bad_name, needles=(b"bad",))


def doubled(numbers: Sequence[int]) -> tuple[int, list[int]]:
    return os.getpid(), [2 * number for number in numbers]


def test_answers_come_in_the_order_of_the_items() -> None:
    answers = list(spread(doubled, range(100), 2))
    assert [number for _, part in answers for number in part] == list(range(0, 200, 2))
    assert os.getpid() not in {process for process, _ in answers}


def test_one_hand_works_itself() -> None:
    assert list(spread(doubled, range(3), 1)) == [(os.getpid(), [0, 2, 4])]


def test_an_error_in_another_process_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(spread(lambda numbers: [1 // number for number in numbers], range(8), 2))


def test_a_diagnosis_by_several_is_that_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ("bad = 1\n", "bad bad = 2\n", "good = 3\n")
    facts = Facts(sources=tuple(Source(f"{n}.py", "script", texts[n % 3]) for n in range(40)))
    alone = diagnose(facts, among=[BAD])
    assert len(alone.findings) == 14 and len(alone.skipped) == 13
    monkeypatch.setattr(module, "MUCH", 0)
    monkeypatch.setattr(module, "cores", lambda: 2)
    assert diagnose(facts, among=[BAD]) == alone
