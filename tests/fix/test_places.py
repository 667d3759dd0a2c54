"""Where the patched text of a remote-code file goes, for every place the scan may have found it in."""

from __future__ import annotations

import pytest

from doctor.fix import Left
from doctor.fix.places import Place, Places
from doctor.model import Facts, Package, Source

COMMIT = "a" * 40
CACHE = "/h/modules"
MODULES = f"{CACHE}/transformers_modules"
SNAPSHOT = f"/h/hub/models--acme--x-1.5/snapshots/{COMMIT}"


def source(path: str, blob: str | None = None, digest: str = "d1", imported: bool = True) -> Source:
    return Source(path, "remote-code", "text", digest, blob=blob, imported=imported)


def places(version: str, *sources: Source) -> tuple[Place, ...] | Left:
    """Of the first source."""
    facts = Facts(
        packages={"transformers": Package("transformers", version)},
        sources=sources,
        modules_cache=CACHE,
        hub_cache="/h/hub",
    )
    return Places(facts).of(sources[0])


def paths(found: tuple[Place, ...] | Left) -> list[str]:
    assert not isinstance(found, Left)
    return [place.path for place in found]


def test_a_script_stays_where_it_is() -> None:
    assert places("5.23.0", Source("/runs/train.py", "script", "x")) == (Place("/runs/train.py"),)


def test_a_local_folder_is_the_place_itself() -> None:
    found = places("5.23.0", source("/models/x/modeling_x.py", imported=False))
    assert paths(found) == ["/models/x/modeling_x.py"]


def test_a_snapshot_without_a_copy_gets_one() -> None:
    found = places("5.23.0", source(f"{SNAPSHOT}/modeling_x.py", blob="/h/hub/b", imported=False))
    assert not isinstance(found, Left)
    (place,) = found
    folder = f"{MODULES}/acme/x_hyphen_1_dot_5/{COMMIT}"
    assert place.path == f"{folder}/modeling_x.py"
    assert place.create
    assert place.note == "a new revision of acme/x-1.5 will need this again"
    assert place.packages == (CACHE, MODULES, f"{MODULES}/acme", f"{MODULES}/acme/x_hyphen_1_dot_5", folder)


def test_an_old_release_gets_both_spellings() -> None:
    found = places("4.47.1", source(f"{SNAPSHOT}/modeling_x.py", blob="/h/hub/b", imported=False))
    assert paths(found) == [f"{MODULES}/acme/{name}/{COMMIT}/modeling_x.py" for name in ("x-1.5", "x_hyphen_1_dot_5")]


def test_a_copy_is_patched_where_it_is_and_in_the_spelling_to_come() -> None:
    here = f"{MODULES}/acme/x-1.5/{COMMIT}/modeling_x.py"
    assert paths(places("4.47.1", source(here))) == [
        here,
        f"{MODULES}/acme/x_hyphen_1_dot_5/{COMMIT}/modeling_x.py",
    ]


def test_a_snapshot_with_its_copies_needs_nothing() -> None:
    copies = [source(f"{MODULES}/acme/{n}/{COMMIT}/modeling_x.py") for n in ("x-1.5", "x_hyphen_1_dot_5")]
    assert places("4.47.1", source(f"{SNAPSHOT}/modeling_x.py", imported=False), *copies) == ()


def test_a_repository_without_an_owner_is_patched_in_its_snapshot() -> None:
    path = f"/h/hub/models--solo/snapshots/{COMMIT}/modeling_x.py"
    found = places("5.0.0", source(path, blob="/h/hub/b", imported=False))
    assert not isinstance(found, Left)
    assert [(place.path, place.link, place.create) for place in found] == [(path, True, False)]


@pytest.mark.parametrize("name", [COMMIT, f"{COMMIT}/0123456789abcdef"])
def test_a_snapshot_that_was_loaded_by_its_path_is_patched_itself(name: str) -> None:
    copy = source(f"{MODULES}/{name}/modeling_x.py")
    snapshot = source(f"{SNAPSHOT}/modeling_x.py", blob="/h/hub/b", imported=False)
    assert f"{SNAPSHOT}/modeling_x.py" in paths(places("5.23.0", snapshot, copy))
    assert paths(places("5.23.0", copy, snapshot)) == [f"{MODULES}/{name}/modeling_x.py"]


def test_a_snapshot_that_is_a_target_is_patched_with_its_copies() -> None:
    snapshot = source(f"{SNAPSHOT}/modeling_x.py", blob="/h/hub/b", imported=False)
    facts = Facts(sources=(snapshot,), modules_cache=CACHE, targets=(SNAPSHOT,))
    found = Places(facts).of(snapshot)
    assert not isinstance(found, Left)
    assert [(place.link, place.create) for place in found] == [(True, False), (False, True)]


def test_a_copy_of_a_folder_is_patched_together_with_the_folder() -> None:
    copy = source(f"{MODULES}/tiny/modeling_x.py")
    folder = source("/models/tiny/modeling_x.py", imported=False)
    found = places("4.47.1", copy, folder)
    assert not isinstance(found, Left)
    assert found[0].note == "a copy of /models/tiny/modeling_x.py, which is patched as well"


def test_a_copy_of_an_unknown_folder_is_left() -> None:
    found = places("4.47.1", source(f"{MODULES}/tiny/modeling_x.py"))
    assert isinstance(found, Left)
    assert "name the folder" in found.remedy
