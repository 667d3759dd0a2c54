"""People's scripts, as written for transformers of 2023, before and after `doctor fix --yes`, on the installed release.

Each script of tests/scripts trains two steps of a tiny model.  As it stands it fails on 5.x in the way its docstring
says; rewritten, it runs, and its losses are those that 4.47.1 gave.  The scripts run in forks of one process, so that
torch and transformers are imported once.

`LOSSES=write pytest -m live tests/live/test_scripts.py`, on 4.47.1, records the losses anew.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doctor.cli import main

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]  # releases deprecate what is tested

FOLDER = Path(__file__).parents[1] / "scripts"
RECORDED = FOLDER / "losses.json"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "tiny")
PRELOADED = (
    "torch", "transformers.trainer", "transformers.models.llama.modeling_llama", "accelerate", "peft", "tiny",
    "transformers.integrations.integration_utils", "transformers.pipelines",
)  # fmt: skip


class Stage:
    """A folder with the scripts, and another with the scripts as `doctor fix --yes` leaves them."""

    def __init__(self, root: Path) -> None:
        self.before, self.after = root / "before", root / "after"
        for folder in (self.before, self.after):
            shutil.copytree(FOLDER, folder)
        os.environ.update(TINY_MODEL=str(root / "model"), HOME=str(root / "home"), HF_HUB_OFFLINE="1")
        (root / "model").mkdir()
        sys.path.insert(0, str(FOLDER))
        self.fixed = main(["fix", "--yes", "--format", "json", "--output", str(root / "left.json"), str(self.after)])
        self.left = json.loads((root / "left.json").read_text("utf-8"))["findings"]
        for name in PRELOADED:
            importlib.import_module(name)
        sys.modules["torch"].set_num_threads(1)

    def run(self, path: Path) -> tuple[list[float], str]:
        """The losses that a script reports, and the traceback of the error that ended it."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            with os.fdopen(writer, "w") as out:
                json.dump(_executed(path), out)
                out.flush()
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answers:
            text = answers.read()
        os.waitpid(child, 0)
        losses, error = json.loads(text)
        return losses, error


def _executed(path: Path) -> tuple[list[float], str]:
    from accelerate.state import AcceleratorState, GradientState

    # What trained before in this process has left its accumulation behind.
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    tiny: Any = sys.modules["tiny"]
    tiny.OUT = tempfile.mkdtemp()
    sys.argv = [str(path)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            space = {"__name__": "__main__", "__file__": str(path)}
            exec(compile(path.read_text("utf-8"), str(path), "exec"), space)
        except BaseException:
            return tiny.losses, traceback.format_exc()
    return tiny.losses, ""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    before = dict(os.environ)
    yield Stage(tmp_path_factory.mktemp("scripts"))
    os.environ.clear()
    os.environ.update(before)
    sys.path.remove(str(FOLDER))


def release() -> tuple[int, int]:
    import transformers

    major, minor = transformers.__version__.split(".")[:2]
    return int(major), int(minor)


def promised(name: str) -> tuple[str, list[str]]:
    """How a script fails, `Fails`, `Fails on 4` or `Silent`, and the words of its error."""
    match = re.match(r'"""[^\n]*\. +(Fails|Fails on 4|Silent): ([^\n]*)"""', (FOLDER / f"{name}.py").read_text("utf-8"))
    assert match, f"{name}: its docstring says how it fails"
    return match[1], match[2].split(", ")


@pytest.mark.parametrize("name", SCRIPTS)
def test_rewritten_it_trains_as_it_did(name: str, stage: Stage) -> None:
    losses, error = stage.run(stage.after / f"{name}.py")
    assert not error, error
    assert len(losses) >= 2
    if os.environ.get("LOSSES") == "write":
        known = json.loads(RECORDED.read_text("utf-8")) if RECORDED.exists() else {}
        RECORDED.write_text(json.dumps({**known, name: losses}, indent=1, sort_keys=True) + "\n", "utf-8")
    assert losses == pytest.approx(json.loads(RECORDED.read_text("utf-8"))[name], abs=2e-4)


@pytest.mark.parametrize("name", SCRIPTS)
def test_as_it_stands_it_fails_as_its_docstring_says(name: str, stage: Stage) -> None:
    how, words = promised(name)
    if release() < (5, 15) or how == "Fails on 4":
        pytest.skip("what 4.57 to 5.14 still took differs from release to release")
    losses, error = stage.run(stage.before / f"{name}.py")
    if how == "Silent":
        wrong = losses != pytest.approx(json.loads(RECORDED.read_text("utf-8"))[name], abs=1e-6)
        assert error or wrong or name == "cache_variable"
    else:
        assert any(word in error for word in words), error or f"it runs: {losses}"


def test_nothing_is_left_to_mend(stage: Stage) -> None:
    assert not [finding for finding in stage.left if finding["patch"]]
