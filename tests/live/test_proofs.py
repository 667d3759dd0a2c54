"""What patches say of the releases is true of this one: proofs run as they stand on `old` alone, rewritten on `new`."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from doctor.model import within
from doctor.patch import Patch, catalogue, rewrite
from doctor.patches.removed_import import GONE

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]  # releases deprecate what is tested


@pytest.fixture(autouse=True)
def scenery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proofs import `scenery`."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


def run(text: str, file: Path) -> None:
    """Import a text as a module of its own file, as transformers imports remote code."""
    file.write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    sys.modules[file.stem] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[file.stem]


def holds(requirement: str) -> bool:
    """Whether the release that is installed is among those; a distribution that is absent has none."""
    try:
        return within(requirement, version(Requirement(requirement).name))
    except PackageNotFoundError:
        return False


PATCHES = pytest.mark.parametrize("patch", catalogue(), ids=lambda patch: patch.id())


@PATCHES
def test_rewritten_it_runs(patch: type[Patch], tmp_path: Path) -> None:
    if not holds(patch.new):
        pytest.skip(f"{patch.id()} is for {patch.new}")
    run(rewrite(patch.proof, [patch]).text, tmp_path / "proof_after.py")


@PATCHES
def test_as_it_stands_it_runs_on_old_releases_alone(patch: type[Patch], tmp_path: Path) -> None:
    if holds(patch.old):
        run(patch.proof, tmp_path / "proof_before.py")
    else:
        with pytest.raises(Exception):  # noqa: B017  each fails in its own way; rewritten, the same text runs
            run(patch.proof, tmp_path / "proof_before.py")


@pytest.mark.parametrize("name", GONE)
def test_every_removed_import_has_a_stand_in(name: str, tmp_path: Path) -> None:
    modules, _ = GONE[name]
    for number, module in enumerate(modules):
        usable = f"callable({name}['sdpa'])" if name.endswith("_ATTENTION_CLASSES") else f"callable({name})"
        text = rewrite(f"from {module} import {name}\nassert {usable}\n").text
        run(text, tmp_path / f"stand_in_{number}.py")
