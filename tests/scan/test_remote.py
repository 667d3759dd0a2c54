"""Remote code in the caches, each copy with the model that it is loaded with."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

CODE = "import torch\n"


def linked(place: Any, commit: str, name: str = "models--acme--phi-x") -> str:
    """A snapshot as huggingface-hub lays it out: links into the blobs."""
    snapshot = place.model(f"hf/hub/{name}/snapshots/{commit}", auto_map=place.auto_map)
    place.put(f"hf/hub/{name}/refs/main", commit)
    for file, content in {"modeling_x.py": CODE, "configuration_x.py": CODE + "\n"}.items():
        blob = place.put(f"hf/hub/{name}/blobs/{len(content):064d}", content)
        (snapshot / file).symlink_to(f"../../blobs/{blob.name}")
    return str(snapshot)


def copied(place: Any, folder: str, content: str = CODE) -> str:
    place.put(f"hf/modules/transformers_modules/{folder.partition('/')[0]}/__init__.py")
    return str(place.put(f"hf/modules/transformers_modules/{folder}/modeling_x.py", content))


def look(place: Any, *targets: str, cwd: str = "cwd") -> Any:
    return place.scan(*targets, environment={"HF_HOME": str(place.root / "hf")}, cwd=cwd)


@pytest.mark.parametrize("name", ["phi-x", "phi_hyphen_x"])
def test_a_copy_of_a_hub_repository(place: Any, name: str) -> None:
    snapshot = linked(place, place.commit)
    copy = copied(place, f"acme/{name}/{place.commit}")
    facts = look(place)
    source = place.source(facts, copy)
    assert (source.repository, source.revision, source.model) == ("acme/phi-x", place.commit, snapshot)
    assert (source.kind, source.imported, source.blob) == ("remote-code", True, None)
    model = facts.model_of(source)
    assert model and (model.repository, model.revision, model.tensors) == ("acme/phi-x", place.commit, {})
    assert place.skips(facts) == {}


def test_a_snapshot_of_links(place: Any) -> None:
    snapshot = linked(place, place.commit)
    source = place.source(look(place), f"{place.commit}/modeling_x.py")
    assert source.path == f"{snapshot}/modeling_x.py"
    assert source.blob == str(place.root / f"hf/hub/models--acme--phi-x/blobs/{len(CODE):064d}")
    assert (source.model, source.repository, source.imported) == (snapshot, "acme/phi-x", False)


def test_a_snapshot_of_copies_as_on_windows(place: Any) -> None:
    place.model(f"hf/hub/models--acme--x/snapshots/{place.commit}", auto_map=place.auto_map)
    place.put(f"hf/hub/models--acme--x/snapshots/{place.commit}/modeling_x.py", CODE)
    assert place.source(look(place), "modeling_x.py").blob is None


def test_several_commits_each_with_its_own_config(place: Any) -> None:
    first, second = linked(place, place.older), linked(place, place.commit)
    older, newer = (copied(place, f"acme/phi-x/{commit}") for commit in (place.older, place.commit))
    facts = look(place)
    assert {source.path: source.model for source in facts.sources if source.imported} == {older: first, newer: second}
    assert [model.revision for model in facts.models] == [place.commit, place.older]


def test_blobs_data_sets_and_locks_are_not_sources(place: Any) -> None:
    linked(place, place.commit)
    for folder in ("blobs", ".no_exist", "refs"):
        place.put(f"hf/hub/models--acme--phi-x/{folder}/stray.py", CODE)
    place.put("hf/hub/.locks/stray.py", CODE)
    place.put(f"hf/hub/datasets--acme--d/snapshots/{place.commit}/d.py", CODE)
    place.put("hf/modules/datasets_modules/d.py", CODE)
    assert {source.path.rpartition("/")[2] for source in look(place, str(place.root / "hf")).sources} == {
        "modeling_x.py",
        "configuration_x.py",
    }


def test_scripts_of_a_snapshot_without_remote_code_are_left_alone(place: Any) -> None:
    place.model(f"hf/hub/models--acme--x/snapshots/{place.commit}")
    place.put(f"hf/hub/models--acme--x/snapshots/{place.commit}/inference.py", CODE)
    facts = look(place)
    assert (facts.sources, [model.repository for model in facts.models]) == ((), ["acme/x"])
    (named,) = place.scan(f"{facts.models[0].path}/inference.py").sources
    assert named.kind == "script"


def test_code_in_a_repository_of_its_own(place: Any) -> None:
    place.put(f"hf/hub/models--acme--code/snapshots/{place.commit}/modeling_x.py", CODE)
    copy = copied(place, f"acme/code/{place.commit}")
    tuned = place.model("cwd/tuned", auto_map={"AutoModel": "acme/code--modeling_x.X", "AutoTokenizer": [None, "y.Y"]})
    facts = look(place, str(tuned), str(place.root / "hf/modules"))
    assert place.source(facts, copy).model == str(tuned)


@pytest.mark.parametrize("layout", ["my.phi-x", "my_dot_phi_hyphen_x", "my_dot_phi_hyphen_x/8e2e35c685ff6b88"])
def test_a_copy_of_a_local_folder(place: Any, layout: str) -> None:
    local = place.model("cwd/my.phi-x", auto_map=place.auto_map)
    place.put("cwd/my.phi-x/modeling_x.py", CODE)
    copy = copied(place, layout)
    facts = look(place)
    source = place.source(facts, copy)
    assert (source.repository, source.model, source.imported) == ("my.phi-x", str(local), True)
    original = place.source(facts, f"{local}/modeling_x.py")
    assert (original.kind, original.repository, original.imported) == ("remote-code", "my.phi-x", False)
    elsewhere = look(place, cwd="elsewhere")
    assert [(s.path, s.model) for s in elsewhere.sources] == [(copy, None)]
    named = look(place, str(local), str(place.root / "hf"), cwd="elsewhere")
    assert place.source(named, copy).model == str(local)


def test_a_copy_that_is_out_of_date_is_not_imported(place: Any) -> None:
    place.model("cwd/mine", auto_map=place.auto_map)
    place.put("cwd/mine/modeling_x.py", CODE)
    current, stale = copied(place, f"mine/{place.digest}"), copied(place, "mine/00000000000000aa", CODE + "\n")
    facts = look(place)
    assert place.source(facts, current).imported
    assert not place.source(facts, stale).imported


@pytest.mark.parametrize("layout", ["{0}", "{0}/8e2e35c685ff6b88", "_{0}/8e2e35c685ff6b88"])
def test_a_snapshot_that_was_loaded_by_its_path(place: Any, layout: str) -> None:
    snapshot = linked(place, place.commit)
    copy = copied(place, layout.format(place.commit))
    source = place.source(look(place), copy)
    assert (source.model, source.repository, source.imported) == (snapshot, "acme/phi-x", True)


def test_one_file_of_the_modules_cache_finds_its_config(place: Any) -> None:
    snapshot = linked(place, place.commit)
    copy = copied(place, f"acme/phi-x/{place.commit}")
    facts = place.scan(copy)
    assert [(s.path, s.model) for s in facts.sources] == [(copy, snapshot)]
    assert [model.path for model in facts.models] == [snapshot]


def test_a_copy_whose_snapshot_was_deleted(place: Any) -> None:
    linked(place, place.commit)
    copy = copied(place, f"acme/phi-x/{place.commit}")
    shutil.rmtree(place.root / "hf/hub")
    assert place.source(look(place), copy).model is None


def test_a_model_by_its_hub_id(place: Any) -> None:
    snapshot = linked(place, place.commit)
    home = {"HF_HOME": str(place.root / "hf")}
    facts = place.scan(model="acme/phi-x", environment=home)
    assert facts.models[0].path == snapshot
    with pytest.raises(
        ValueError, match=r"acme/none is neither a folder nor in the hub cache .*: run `hf download acme/none`"
    ):
        place.scan(model="acme/none", environment=home)
    with pytest.raises(ValueError, match=r"hf holds no config.json: give the folder of a model"):
        place.scan(model=str(place.root / "hf"))
