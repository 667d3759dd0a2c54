"""Which copy of remote code transformers imports."""

from __future__ import annotations

import pytest

from doctor.model import Facts, Package, Source
from doctor.remote import Layout, Revision, in_snapshot, spelled

COMMIT = "a" * 40
MODULES = "/h/modules/transformers_modules"
SNAPSHOT = f"/h/hub/models--acme--x-1.5/snapshots/{COMMIT}/sub/modeling_x.py"


def superseded(version: str, *others: str, snapshot: str = SNAPSHOT, targets: tuple[str, ...] = ()) -> bool:
    here = Source(snapshot, "remote-code", "text", imported=False)
    facts = Facts(
        packages={"transformers": Package("transformers", version)},
        sources=(here, *(Source(path, "remote-code", "text") for path in others)),
        modules_cache="/h/modules",
        targets=targets,
    )
    return Layout(facts).superseded(here)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt2", "gpt2"),
        ("microsoft/Phi-3-mini", "microsoft/Phi_hyphen_3_hyphen_mini"),
        ("01-ai/Yi-1.5", "_01_hyphen_ai/Yi_hyphen_1_dot_5"),
    ],
)
def test_names_are_spelled_as_transformers_spells_them(name: str, expected: str) -> None:
    assert spelled(name) == expected


def test_a_path_says_repository_commit_and_file() -> None:
    expected = Revision("acme/x-1.5", COMMIT, "sub/modeling_x.py")
    assert in_snapshot(SNAPSHOT) == expected
    assert in_snapshot("/models/x/modeling_x.py") is None
    assert (
        Layout(Facts(modules_cache="/h/modules")).in_copy(f"{MODULES}/acme/x-1.5/{COMMIT}/sub/modeling_x.py")
        == expected
    )
    assert Layout(Facts()).in_copy(f"{MODULES}/acme/x/{COMMIT}/modeling_x.py") is None


OLD, NEW = (f"{MODULES}/acme/{name}/{COMMIT}/sub/modeling_x.py" for name in ("x-1.5", "x_hyphen_1_dot_5"))


@pytest.mark.parametrize(
    ("version", "copies", "expected"),
    [
        ("4.47.1", (OLD,), True),
        ("4.47.1", (NEW,), False),
        ("5.23.0", (OLD,), False),
        ("5.23.0", (NEW,), True),
        ("5.23.0", (), False),
        ("5.23.0", (NEW, f"{MODULES}/{COMMIT}/sub/modeling_x.py"), False),
    ],
)
def test_a_snapshot_is_superseded_by_the_copy_of_the_judged_release(
    version: str, copies: tuple[str, ...], expected: bool
) -> None:
    assert superseded(version, *copies) is expected


def test_a_repository_without_an_owner_is_not_superseded() -> None:
    snapshot = f"/h/hub/models--solo/snapshots/{COMMIT}/modeling_x.py"
    assert not superseded("5.23.0", f"{MODULES}/solo/{COMMIT}/modeling_x.py", snapshot=snapshot)


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/h", True), ("/h/hub", True), (SNAPSHOT, False), (SNAPSHOT.removesuffix("/sub/modeling_x.py"), False)],
)
def test_a_snapshot_that_is_a_target_is_loaded_by_its_path(target: str, expected: bool) -> None:
    assert superseded("5.23.0", NEW, targets=(target,)) is expected


@pytest.mark.parametrize(
    ("against", "expected"),
    [
        (None, [NEW]),
        ("transformers==5.3.0", [NEW]),
        ("transformers==4.47.1", [OLD, NEW]),
        ("transformers==5.3.0, transformers==4.47.1", [OLD, NEW]),
    ],
)
def test_the_copies_are_those_of_the_judged_release_and_newer_ones(against: str | None, expected: list[str]) -> None:
    layout = Layout(Facts(modules_cache="/h/modules", against=against))
    assert [str(path) for path in layout.copies(Revision("acme/x-1.5", COMMIT, "sub/modeling_x.py"))] == expected
