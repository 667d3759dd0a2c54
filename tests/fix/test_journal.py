"""What is undone, what is refused, and what a damaged journal says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from doctor.fix import Refused
from doctor.fix.apply import apply
from doctor.fix.journal import Journal
from doctor.fix.plan import Plan

PlanOf = Callable[[dict[Path, str]], Plan]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "modeling_x.py"
    path.write_text("one")
    return path


def test_undo_restores_the_last_run_that_is_not_undone(path: Path, journal: Journal, plan_of: PlanOf) -> None:
    first = apply(plan_of({path: "two"}), journal)
    second = apply(plan_of({path: "three"}), journal)
    assert journal.undo().id == second.id
    assert path.read_text() == "two"
    assert journal.undo().id == first.id
    assert path.read_text() == "one"
    assert [run.state for run in journal.runs()] == ["undone", "undone"]
    with pytest.raises(Refused, match="holds no fix that could be undone"):
        journal.undo()


def test_a_run_below_a_newer_one_is_refused(path: Path, journal: Journal, plan_of: PlanOf) -> None:
    first = apply(plan_of({path: "two"}), journal)
    second = apply(plan_of({path: "three"}), journal)
    with pytest.raises(Refused, match=f"doctor undo {second.id}"):
        journal.undo(first.id)
    assert path.read_text() == "three"


def test_runs_over_different_files_are_undone_in_any_order(
    path: Path, tmp_path: Path, journal: Journal, plan_of: PlanOf
) -> None:
    other = tmp_path / "other.py"
    other.write_text("one")
    first = apply(plan_of({path: "two"}), journal)
    apply(plan_of({other: "two"}), journal)
    journal.undo(first.id)
    assert (path.read_text(), other.read_text()) == ("one", "two")


def test_a_file_that_changed_since_is_refused_with_the_cure(
    path: Path, tmp_path: Path, journal: Journal, plan_of: PlanOf
) -> None:
    other = tmp_path / "other.py"
    other.write_text("one")
    run = apply(plan_of({path: "two", other: "two"}), journal)
    path.write_text("mine")
    with pytest.raises(Refused, match="changed since run") as refused:
        journal.undo()
    assert (path.read_text(), other.read_text()) == ("mine", "two")
    kept = journal.original(run, run.entries[0])
    assert f"cp {kept} {path}" in str(refused.value)
    path.write_bytes(kept.read_bytes())
    journal.undo()
    assert (path.read_text(), other.read_text()) == ("one", "one")


def test_a_file_that_was_deleted_since_comes_back(path: Path, journal: Journal, plan_of: PlanOf) -> None:
    apply(plan_of({path: "two"}), journal)
    path.unlink()
    journal.undo()
    assert path.read_text() == "one"


def test_a_folder_that_is_gone_has_nothing_to_restore(tmp_path: Path, journal: Journal, plan_of: PlanOf) -> None:
    path = tmp_path / "model" / "modeling_x.py"
    path.parent.mkdir()
    path.write_text("one")
    apply(plan_of({path: "two"}), journal)
    path.unlink()
    path.parent.rmdir()
    run = journal.undo()
    assert run.state == "undone"
    assert "its folder is gone" in run.left[0].reason


def test_undone_runs_and_unknown_ones_are_refused(path: Path, journal: Journal, plan_of: PlanOf) -> None:
    run = apply(plan_of({path: "two"}), journal)
    journal.undo()
    with pytest.raises(Refused, match="is undone already"):
        journal.undo(run.id)
    with pytest.raises(Refused, match=f"holds no run 1.*the last ones: {run.id}"):
        journal.undo("1")


def manifest_of(state: str = "done", path: object = "/x", after: object = "d") -> str:
    entry = {"path": path, "before": None, "after": after, "patches": [], "mode": None, "link": None}
    run = {"time": "", "version": "", "state": state, "note": "", "made": [], "command": [], "entries": [entry]}
    return json.dumps({"schema": 1, **run})


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "{",
        "[]",
        '{"schema": 1}',
        '{"schema": 99}',
        "\x00",
        '{"schema": 1, "entries": 3}',
        "[" * 100_000,
        manifest_of(path=3),
        manifest_of(state="odd"),
        manifest_of(after=None),
    ],
)
def test_a_damaged_manifest_is_said_and_other_runs_stay_usable(
    path: Path, journal: Journal, plan_of: PlanOf, manifest: str
) -> None:
    run = apply(plan_of({path: "two"}), journal)
    damaged = journal.folder / "20991231-235959-1"
    damaged.mkdir()
    (damaged / "manifest.json").write_text(manifest)
    assert [run.state for run in journal.runs()] == ["done", "unreadable"]
    assert "cannot be read" in journal.runs()[1].note
    with pytest.raises(Refused, match="cannot be undone"):
        journal.undo(damaged.name)
    assert journal.undo().id == run.id
    assert path.read_text() == "one"


def test_a_damaged_original_is_not_restored(path: Path, journal: Journal, plan_of: PlanOf) -> None:
    run = apply(plan_of({path: "two"}), journal)
    journal.original(run, run.entries[0]).write_text("rot")
    with pytest.raises(Refused, match="is damaged"):
        journal.undo()
    assert path.read_text() == "two"


def test_ids_grow_even_where_the_clock_was_set_back(path: Path, journal: Journal, plan_of: PlanOf) -> None:
    future = journal.folder / "20991231-235959-9"
    future.mkdir(parents=True)
    run = apply(plan_of({path: "two"}), journal)
    assert run.id == "20991231-235959-10"
    assert journal.runs()[-1].id == run.id


def test_the_root_is_the_users_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCTOR_STATE_DIR", str(tmp_path / "mine"))
    assert Journal().root == tmp_path / "mine"
    monkeypatch.delenv("DOCTOR_STATE_DIR")
    assert Journal().root.name == "tune-doctor"


def test_a_journal_that_cannot_be_written_stops_the_fix(path: Path, tmp_path: Path, plan_of: PlanOf) -> None:
    root = tmp_path / "file"
    root.write_text("")
    with pytest.raises(Refused, match="set DOCTOR_STATE_DIR"):
        apply(plan_of({path: "two"}), Journal(root))
    assert path.read_text() == "one"


def test_the_manifest_is_json_for_people(path: Path, journal: Journal, plan_of: PlanOf) -> None:
    run = apply(plan_of({path: "two"}), journal, ["doctor", "fix", "--yes"])
    manifest = json.loads((journal.folder / run.id / "manifest.json").read_text())
    assert manifest["schema"] == 1
    assert manifest["command"] == ["doctor", "fix", "--yes"]
    assert manifest["entries"][0]["path"] == str(path)


def test_a_run_that_was_killed_before_its_first_file_is_not_the_one_undone(
    path: Path, journal: Journal, plan_of: PlanOf
) -> None:
    run = apply(plan_of({path: "two"}), journal)
    (entry,) = run.entries
    with journal.locked():
        killed = journal.begin([replace(entry, before=entry.after, after="0" * 64)], {entry.after: b"two"})
    killed.temporary(0).write_text("half")
    assert journal.undo().id == run.id
    assert path.read_text() == "one"
    assert journal.runs()[-1].note == "interrupted: 0 of 1 files were written"
    assert not killed.temporary(0).exists()
