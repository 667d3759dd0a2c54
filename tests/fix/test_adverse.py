"""Two fixes at once, a full disk, folders and files of somebody else, loops of links."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import doctor.fix.journal
from doctor.fix import Refused
from doctor.fix.apply import apply
from doctor.fix.journal import Journal
from doctor.fix.plan import Plan

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses fork")

PlanOf = Callable[[dict[Path, str]], Plan]
NOBODY = 65534


def begun(work: Callable[[], object]) -> int:
    """A child at work; it ends with 0 unless the work raised."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def ended_well(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest are the tester's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


def as_an_ordinary_user(work: Callable[[], object]) -> None:
    """Root may write everywhere, so that root does this as nobody."""

    def drop_and_work() -> None:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        work()

    assert ended_well(begun(drop_and_work))


def journal_of_anybody(folder: Path) -> Journal:
    root = folder / "state"
    root.mkdir()
    root.chmod(0o777)
    return Journal(root)


def test_of_two_equal_fixes_at_once_one_is_written(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    paths = [tmp_path / f"x{n}.py" for n in range(8)]
    for path in paths:
        path.write_text("old")
    plan = plan_of({path: "new" for path in paths})
    children = [begun(lambda: apply(plan, journal)) for _ in range(4)]
    assert all([ended_well(child) for child in children])
    (run,) = journal.runs()
    assert (run.state, len(run.entries)) == ("done", 8)
    journal.undo()
    assert {path.read_text() for path in paths} == {"old"}


def test_different_fixes_at_once_are_all_written(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    paths = [tmp_path / f"x{n}.py" for n in range(4)]
    for path in paths:
        path.write_text("old")
    children = [begun(lambda p=path: apply(plan_of({p: "new"}), journal)) for path in paths]  # type: ignore[misc]
    assert all([ended_well(child) for child in children])
    assert {path.read_text() for path in paths} == {"new"}
    assert len({run.id for run in journal.runs()}) == 4


def test_a_fix_that_waits_too_long_is_refused(
    tmp_path: Path, journal: Journal, plan_of: PlanOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.fix.journal, "PATIENCE", 0.1)
    path = tmp_path / "x.py"
    path.write_text("old")
    with journal.locked(), pytest.raises(Refused, match="another fix or undo holds"):
        apply(plan_of({path: "new"}), Journal(journal.root))
    assert path.read_text() == "old"


def limited(size: int, work: Callable[[], object]) -> None:
    """Work where no file may grow beyond so many bytes, which the system refuses much like a full disk."""
    import resource

    def limit_and_work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        work()

    assert ended_well(begun(limit_and_work))


def test_a_new_file_that_does_not_fit_is_left_old(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    large, small = tmp_path / "large.py", tmp_path / "small.py"
    large.write_text("old")
    small.write_text("old")
    plan = plan_of({large: "n" * 100_000, small: "new"})

    def work() -> None:
        (left,) = apply(plan, journal).left
        assert (left.path, left.reason) == (str(large), "cannot be written: File too large")

    limited(50_000, work)
    assert (large.read_text(), small.read_text()) == ("old", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.py", "small.py", "state"]
    assert [entry.path for entry in journal.runs()[0].entries] == [str(small)]


def test_an_original_that_does_not_fit_stops_the_fix(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "x.py"
    path.write_text("o" * 100_000)
    plan = plan_of({path: "new"})

    def work() -> None:
        with pytest.raises(Refused, match=r"cannot be written \(File too large\)"):
            apply(plan, journal)

    limited(50_000, work)
    assert path.read_text() == "o" * 100_000
    assert journal.runs() == ()


def test_a_folder_of_somebody_else_is_left(shared: Path, plan_of: PlanOf) -> None:
    folder = shared / "model"
    folder.mkdir()
    path = folder / "modeling_x.py"
    path.write_text("old")
    folder.chmod(0o555)
    journal, plan = journal_of_anybody(shared), plan_of({path: "new"})

    def work() -> None:
        run = apply(plan, journal)
        assert run.id == ""
        assert run.left[0].reason == "cannot be written: Permission denied"
        assert "doctor run" in run.left[0].remedy

    as_an_ordinary_user(work)
    assert [child.name for child in folder.iterdir()] == ["modeling_x.py"]
    assert path.read_text() == "old"


def test_a_file_that_may_not_be_read_is_left(shared: Path, plan_of: PlanOf) -> None:
    path = shared / "modeling_x.py"
    path.write_text("old")
    journal, plan = journal_of_anybody(shared), plan_of({path: "new"})
    path.chmod(0)
    as_an_ordinary_user(lambda: _expect(apply(plan, journal).left[0].reason, "cannot be read: Permission denied"))


def _expect(found: str, wanted: str) -> None:
    assert found == wanted


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs a file of another user")
def test_a_file_whose_owner_cannot_be_kept_is_left(shared: Path, plan_of: PlanOf) -> None:
    path = shared / "modeling_x.py"
    path.write_text("old")
    shared.chmod(0o777)
    journal, plan = journal_of_anybody(shared), plan_of({path: "new"})
    as_an_ordinary_user(
        lambda: _expect(apply(plan, journal).left[0].reason, "cannot be written: Operation not permitted")
    )
    assert path.read_text() == "old"
    assert path.stat().st_uid == 0


def test_a_folder_that_became_read_only_stops_the_undo(shared: Path, plan_of: PlanOf) -> None:
    folder = shared / "model"
    folder.mkdir()
    path = folder / "modeling_x.py"
    path.write_text("old")
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
        os.chown(folder, NOBODY, NOBODY)
    journal, plan = journal_of_anybody(shared), plan_of({path: "new"})

    def work() -> None:
        apply(plan, journal)
        folder.chmod(0o555)
        with pytest.raises(Refused, match="cannot be restored"):
            journal.undo()
        assert path.read_text() == "new"
        folder.chmod(0o755)
        journal.undo()

    as_an_ordinary_user(work)
    assert path.read_text() == "old"


def test_a_loop_of_links_is_left(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "modeling_x.py"
    path.write_text("old")
    plan = plan_of({path: "new"})
    path.unlink()
    path.symlink_to(path)
    (left,) = apply(plan, journal).left
    assert left.reason.startswith("cannot be read:")


def test_a_file_that_became_a_folder_is_left(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "modeling_x.py"
    path.write_text("old")
    plan = plan_of({path: "new"})
    path.unlink()
    path.mkdir()
    assert apply(plan, journal).left[0].reason == "cannot be read: Is a directory"


def test_a_folder_in_the_way_of_an_undo_is_refused(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "modeling_x.py"
    path.write_text("old")
    apply(plan_of({path: "new"}), journal)
    path.unlink()
    path.mkdir()
    with pytest.raises(Refused, match="changed since run"):
        journal.undo()
