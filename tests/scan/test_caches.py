"""Where the caches are, and what a place in one tells: as huggingface-hub and transformers work it out."""

from __future__ import annotations

import os
from typing import Any

import pytest

from doctor.scan.caches import Caches, Origin, locate, origin, plain, snapshot

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "8e2e35c685ff6b88"


@pytest.mark.parametrize(
    ("variables", "hub", "modules"),
    [
        ({}, "/me/.cache/huggingface/hub", "/me/.cache/huggingface/modules"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/huggingface/hub", "/xdg/huggingface/modules"),
        ({"HF_HOME": "/hf", "XDG_CACHE_HOME": "/xdg"}, "/hf/hub", "/hf/modules"),
        ({"HF_HOME": "~/hf"}, "/me/hf/hub", "/me/hf/modules"),
        ({"HF_HOME": "$DISK/hf", "DISK": "/disk"}, "/disk/hf/hub", "/disk/hf/modules"),
        ({"HF_HOME": "${NONE}/hf"}, "/runs/${NONE}/hf/hub", "/runs/${NONE}/hf/modules"),
        ({"HF_HOME": "hf"}, "/runs/hf/hub", "/runs/hf/modules"),
        ({"HF_HOME": "/hf", "HF_HUB_CACHE": "/hub"}, "/hub", "/hf/modules"),
        ({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old", "/hf/modules"),
        ({"HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "/new", "HF_MODULES_CACHE": "/m"}, "/new", "/m"),
        ({"HF_HOME": "/hf", "TRANSFORMERS_CACHE": "/t"}, "/hf/hub", "/hf/modules"),
    ],
)
def test_the_folders(variables: dict[str, str], hub: str, modules: str) -> None:
    assert locate({"HOME": "/me", **variables}, "/runs") == Caches(hub, modules)


def test_transformers_4_honours_its_own_variables() -> None:
    variables = {"HOME": "/me", "HF_HUB_CACHE": "/hub", "PYTORCH_TRANSFORMERS_CACHE": "/p", "TRANSFORMERS_CACHE": "/t"}
    assert locate(variables, "/runs", legacy=True).hub == "/t"
    del variables["TRANSFORMERS_CACHE"]
    assert locate(variables, "/runs", legacy=True).hub == "/p"


@pytest.mark.parametrize("version", ["4.47.1", "5.23.0"])
def test_the_installed_release_decides(place: Any, version: str) -> None:
    place.distribution(place.venv(), "transformers", version)
    facts = place.scan(python=str(place.root / "venv"), environment={"TRANSFORMERS_CACHE": "/t", "HF_HOME": "/hf"})
    assert facts.hub_cache == ("/t" if version.startswith("4") else "/hf/hub")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        # transformers 4.47.1
        (f"acme/Phi-3.5/{COMMIT}", ("acme/Phi-3.5", COMMIT, False)),
        ("my.phi-3", ("my.phi-3", None, True)),
        (COMMIT, (COMMIT, None, True)),
        # 4.57.6 and 5.0.0
        (f"acme/Phi_hyphen_3_dot_5/{COMMIT}", ("acme/Phi-3.5", COMMIT, False)),
        (f"_01_hyphen_ai/_6B/{COMMIT}", ("01-ai/6B", COMMIT, False)),
        ("my_dot_phi_hyphen_3", ("my.phi-3", None, True)),
        # 5.23.0
        (f"my_dot_phi_hyphen_3/{DIGEST}", ("my.phi-3", DIGEST, True)),
        (f"{COMMIT}/{DIGEST}", (COMMIT, DIGEST, True)),
        (f"_{COMMIT}/{DIGEST}", (COMMIT, DIGEST, True)),
        (DIGEST, (None, DIGEST, True)),
        # a repository without an owner, files in a folder of their own
        (f"gpt2/{COMMIT}", ("gpt2", COMMIT, False)),
        (f"acme/x/{COMMIT}/layers/inner", ("acme/x", COMMIT, False)),
        (f"mine/{DIGEST}/layers", ("mine", DIGEST, True)),
    ],
)
def test_a_place_in_the_modules_cache(folder: str, expected: tuple[str | None, str | None, bool]) -> None:
    found = origin(f"/hf/modules/transformers_modules/{folder}")
    assert found and (found.place, (found.repository, found.revision, found.local)) == ("modules", expected)


def test_a_place_in_the_hub_cache() -> None:
    root = f"/hf/hub/models--acme--Phi-3.5/snapshots/{COMMIT}"
    assert origin(f"{root}/layers") == Origin("snapshot", "acme/Phi-3.5", COMMIT, root)
    for folder in ("/hf/hub/models--acme--Phi-3.5", "/hf/hub/models--acme--Phi-3.5/snapshots", "/home/me/project"):
        assert origin(folder) is None


def test_a_name_that_was_made_importable() -> None:
    assert [plain(name) for name in ("Phi_hyphen_3_dot_5", "_01", "_private", "plain")] == [
        "Phi-3.5",
        "01",
        "_private",
        "plain",
    ]


def test_a_snapshot_by_commit_branch_main_and_age(place: Any) -> None:
    hub = str(place.root / "hub")
    assert snapshot(hub, "acme/x") is None
    for commit in (place.commit, place.older):
        place.put(f"hub/models--acme--x/snapshots/{commit}/config.json", "{}")
    folder = f"{hub}/models--acme--x/snapshots"
    os.utime(f"{folder}/{place.older}", (1, 1))
    assert snapshot(hub, "acme/x") == f"{folder}/{place.commit}"
    place.put("hub/models--acme--x/refs/main", place.older)
    assert snapshot(hub, "acme/x") == f"{folder}/{place.older}"
    place.put("hub/models--acme--x/refs/dev", place.commit)
    assert snapshot(hub, "acme/x", "dev") == f"{folder}/{place.commit}"
    assert snapshot(hub, "acme/x", place.commit) == f"{folder}/{place.commit}"
    assert snapshot(hub, "acme/x", "gone") is None
