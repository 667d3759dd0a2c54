"""What a fix writes, and what it leaves as it is."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from doctor.fix.apply import apply
from doctor.fix.journal import Journal
from doctor.fix.plan import Edit, Plan

PlanOf = Callable[[dict[Path, str]], Plan]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_new_text_is_written_and_the_original_kept(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "modeling_x.py"
    path.write_bytes(b"old = 1\r\n\x0cold = 2")
    run = apply(plan_of({path: "new = 1\r\n"}), journal, ["doctor", "fix"])
    assert path.read_bytes() == b"new = 1\r\n"
    assert run.left == ()
    assert [entry.path for entry in run.entries] == [str(path)]
    assert journal.original(run, run.entries[0]).read_bytes() == b"old = 1\r\n\x0cold = 2"
    assert journal.runs()[0].command == ("doctor", "fix")
    assert names(tmp_path) == ["modeling_x.py", "state"]


def test_nothing_to_write_leaves_no_trace(tmp_path: Path, journal: Journal) -> None:
    assert apply(Plan(), journal).id == ""
    assert not journal.root.exists()


def test_mode_is_kept(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "run.py"
    path.write_text("old")
    path.chmod(0o750)
    apply(plan_of({path: "new"}), journal)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a file away")
def test_owner_is_kept(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "run.py"
    path.write_text("old")
    os.chown(path, 1234, 2345)
    apply(plan_of({path: "new"}), journal)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_a_file_that_changed_since_the_plan_is_left(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    changed, same = tmp_path / "changed.py", tmp_path / "same.py"
    changed.write_text("old")
    same.write_text("old")
    plan = plan_of({changed: "new", same: "new"})
    changed.write_text("mine")
    run = apply(plan, journal)
    assert (changed.read_text(), same.read_text()) == ("mine", "new")
    (left,) = run.left
    assert "is not the file the plan was made from" in left.reason
    assert left.remedy == "run `doctor fix` again"


def test_a_vanished_folder_is_left(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "model" / "modeling_x.py"
    path.parent.mkdir()
    path.write_text("old")
    plan = plan_of({path: "new"})
    path.unlink()
    path.parent.rmdir()
    run = apply(plan, journal)
    assert run.id == ""
    assert "cannot be read: No such file" in run.left[0].reason


def hub(tmp_path: Path) -> tuple[Path, Path]:
    """A snapshot's link and its blob."""
    folder = tmp_path / "hub" / "models--acme--x"
    blob, link = folder / "blobs" / "abc", folder / "snapshots" / ("a" * 40) / "modeling_x.py"
    for path in (blob, link):
        path.parent.mkdir(parents=True)
    blob.write_text("old")
    link.symlink_to("../../blobs/abc")
    return link, blob


def test_a_link_to_a_file_is_written_through(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path, link = tmp_path / "modeling_x.py", tmp_path / "link.py"
    path.write_text("old")
    link.symlink_to(path)
    apply(plan_of({link: "new"}), journal)
    assert link.is_symlink()
    assert path.read_text() == "new"


def test_a_link_into_the_blobs_is_not(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    link, blob = hub(tmp_path)
    run = apply(plan_of({link: "new"}), journal)
    assert blob.read_text() == "old"
    assert link.is_symlink()
    assert "links into the hub's blobs" in run.left[0].reason


def test_a_file_that_became_a_link_into_the_blobs_is_left(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "modeling_x.py"
    path.write_text("old")
    plan = plan_of({path: "new"})
    _, blob = hub(tmp_path)
    path.unlink()
    path.symlink_to(blob)
    assert apply(plan, journal).left
    assert blob.read_text() == "old"


def test_a_link_into_the_blobs_becomes_a_file_where_the_plan_says_so(
    tmp_path: Path, journal: Journal, plan_of: PlanOf
) -> None:
    link, blob = hub(tmp_path)
    plan = plan_of({link: "new"})
    run = apply(replace(plan, edits=(replace(plan.edits[0], link=True),)), journal)
    assert (link.read_text(), link.is_symlink(), blob.read_text()) == ("new", False, "old")
    journal.undo(run.id)
    assert str(link.readlink()) == "../../blobs/abc"


def creation(path: Path, folder: Path) -> Plan:
    packages = [str(parent) for parent in path.parents if parent.is_relative_to(folder)]
    return Plan((Edit(str(path), None, "old", "new", ("a-patch",), packages=tuple(reversed(packages))),))


def test_a_new_copy_gets_its_packages_and_undo_takes_them_away(tmp_path: Path, journal: Journal) -> None:
    cache = tmp_path / "modules"
    path = cache / "transformers_modules" / "acme" / "modeling_x.py"
    run = apply(creation(path, cache), journal)
    assert path.read_text() == "new"
    assert [p.read_text() for p in (path.with_name("__init__.py"), cache / "__init__.py")] == ["", ""]
    (path.parent / "__pycache__").mkdir()
    (path.parent / "__pycache__" / "modeling_x.cpython-311.pyc").write_bytes(b"")
    journal.undo(run.id)
    assert not cache.exists()


def test_undo_keeps_packages_that_others_moved_into(tmp_path: Path, journal: Journal) -> None:
    cache = tmp_path / "modules"
    path = cache / "transformers_modules" / "acme" / "modeling_x.py"
    run = apply(creation(path, cache), journal)
    (path.parent / "configuration_x.py").write_text("theirs")
    journal.undo(run.id)
    assert names(path.parent) == ["__init__.py", "configuration_x.py"]


@pytest.mark.parametrize(("there", "then"), [("theirs", "theirs"), ("old", "new"), ("new", "new")])
def test_a_copy_that_is_there_after_all(tmp_path: Path, journal: Journal, there: str, then: str) -> None:
    path = tmp_path / "modules" / "modeling_x.py"
    plan = creation(path, path.parent)
    path.parent.mkdir()
    path.write_text(there)
    run = apply(plan, journal)
    assert path.read_text() == then
    assert [left.remedy for left in run.left] == (["run `doctor fix` again"] if there == "theirs" else [])
    if run.id:
        journal.undo()
        assert path.read_text() == there


def test_the_other_name_of_a_hard_link_keeps_the_old_text(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path, other = tmp_path / "a.py", tmp_path / "b.py"
    path.write_text("old")
    other.hardlink_to(path)
    run = apply(plan_of({path: "new"}), journal)
    assert (path.read_text(), other.read_text()) == ("new", "old")
    journal.undo(run.id)
    assert (path.read_text(), other.read_text()) == ("old", "old")


@pytest.mark.parametrize("name", ["m" * 252 + ".py", "mödel ü 模型.py", "with space\nand newline.py"])
def test_any_name_of_a_file(tmp_path: Path, journal: Journal, plan_of: PlanOf, name: str) -> None:
    folder = tmp_path / ("f" * 200) / ("g" * 200)
    folder.mkdir(parents=True)
    path = folder / name
    path.write_text("old")
    run = apply(plan_of({path: "new"}), journal)
    assert path.read_text() == "new"
    journal.undo(run.id)
    assert path.read_text() == "old"


def test_a_name_that_is_not_utf_8(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / os.fsdecode(b"mod\xffel.py")
    try:
        path.write_text("old")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    run = apply(plan_of({path: "new"}), journal)
    journal.undo(run.id)
    assert path.read_text() == "old"


def test_compiled_files_of_the_old_text_do_not_fit_the_new_one(
    tmp_path: Path, journal: Journal, plan_of: PlanOf
) -> None:
    path = tmp_path / "x.py"
    path.write_text("V = 1\n")
    seconds = [path.stat().st_mtime_ns // 10**9]
    for text in ("V = 2\n", "V = 3\n", "V = 4\n"):
        apply(plan_of({path: text}), journal)
        seconds.append(path.stat().st_mtime_ns // 10**9)
    assert sorted(set(seconds)) == seconds


def test_the_digest_of_what_was_written_is_in_the_journal(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "x.py"
    path.write_text("old")
    (entry,) = apply(plan_of({path: "neu: ü"}), journal).entries
    assert entry.after == hashlib.sha256(path.read_bytes()).hexdigest()
    assert entry.patches == ("a-patch",)
