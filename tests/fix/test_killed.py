"""kill -9 at any instant of a fix or an undo: every file is old or new, and undo brings all of them back."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from doctor.fix import Refused
from doctor.fix.apply import apply
from doctor.fix.journal import Journal
from doctor.fix.plan import Edit, Plan

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")

PlanOf = Callable[[dict[Path, str]], Plan]
FILES = 30
INSTANTS = 200


def killed_when(instant: Callable[[], object], work: Callable[[], object]) -> bool:
    """Do work in a child that is killed once `instant` returns; whether it was still at work."""
    child = os.fork()
    if not child:
        # Nothing of the test runner may run in the child, its clean-up least of all.
        try:
            work()
        finally:
            os._exit(0)
    instant()
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def changed(path: Path, old: str, seconds: float) -> None:
    """Wait until a file has another size than its old text: an instant that a busy machine cannot move."""
    end = time.perf_counter() + seconds
    while path.stat().st_size == len(old) and time.perf_counter() < end:
        pass


def seconds_of(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where that can be: thousands of fsyncs on a busy disk take minutes, and kill -9 spares the cache."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def files(tmp_path: Path) -> dict[Path, str]:
    """Files that exist, of 4 to 60 kB, and their old text."""
    folder = tmp_path / "model"
    folder.mkdir()
    texts = {folder / f"modeling_{n}.py": f"# {n}\n" + f"old = {n}\n" * 500 * (1 + n % 12) for n in range(FILES)}
    for path, text in texts.items():
        path.write_text(text)
    return texts


@pytest.fixture
def plan(files: dict[Path, str], plan_of: PlanOf, tmp_path: Path) -> Plan:
    """Every file rewritten, and one copy created with its packages."""
    cache = tmp_path / "modules"
    copy = cache / "acme" / "modeling_0.py"
    creation = Edit(str(copy), None, "", "new", ("a-patch",), packages=(str(cache), str(copy.parent)))
    return Plan((*plan_of({path: new(text) for path, text in files.items()}).edits, creation))


def new(text: str) -> str:
    return text.replace("old", "new, and longer")


def all_old(files: dict[Path, str], tmp_path: Path) -> None:
    """As before the fix, with nothing left behind."""
    assert {path: path.read_text() for path in files} == files
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == sorted(path.name for path in files)
    assert not (tmp_path / "modules").exists()


def test_a_fix(files: dict[Path, str], plan: Plan, journal: Journal, tmp_path: Path) -> None:
    longest = max(seconds_of(lambda: apply(plan, journal)) for _ in range(3) if journal_is_clear(journal))
    instants = random.Random(20261123)
    interrupted = half_done = 0
    journal_is_clear(journal)
    for place in range(INSTANTS):
        if place % 20 == 0:
            shutil.rmtree(journal.root)
        pause, file = instants.uniform(0, longest * 1.2), instants.choice([*files])
        by_time, by_file = partial(time.sleep, pause), partial(changed, file, files[file], longest * 4)
        interrupted += killed_when(by_file if place % 2 else by_time, lambda: apply(plan, journal))
        texts = [(path.read_text(), old) for path, old in files.items()]
        assert all(text in (old, new(old)) for text, old in texts)
        half_done += 0 < sum(text != old for text, old in texts) < FILES
        assert all(run.state != "unreadable" for run in journal.runs())
        journal_is_clear(journal)
        all_old(files, tmp_path)
    assert interrupted > INSTANTS / 4
    assert half_done, "no kill fell between two files: the instants are not those of the fix"


def test_an_undo(files: dict[Path, str], plan: Plan, journal: Journal, tmp_path: Path) -> None:
    apply(plan, journal)
    longest = seconds_of(journal.undo)
    instants = random.Random(20261123)
    for _ in range(INSTANTS // 5):
        apply(plan, journal)
        killed_when(partial(time.sleep, instants.uniform(0, longest * 1.2)), journal.undo)
        assert all(path.read_text() in (old, new(old)) for path, old in files.items())
        journal_is_clear(journal)
        all_old(files, tmp_path)


def journal_is_clear(journal: Journal) -> bool:
    """Undo whatever there is to undo."""
    try:
        journal.undo()
    except Refused as refused:
        assert "holds no fix that could be undone" in str(refused)
    return True
