"""The real transformers of this interpreter imports what a fix wrote, from every place remote code may come from."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from doctor.diagnose import assume, diagnose, wanted
from doctor.fix.apply import apply
from doctor.fix.journal import Journal, Run
from doctor.fix.plan import plan
from doctor.scan import Request, scan

pytestmark = pytest.mark.live

COMMIT = "1abcdef0" * 5
FILES = {
    "config.json": json.dumps({"model_type": "x", "auto_map": {"AutoConfig": "configuration_x.XConfig"}}),
    "configuration_x.py": "from transformers import PretrainedConfig\nfrom .modeling_x import room\n\n\n"
    "class XConfig(PretrainedConfig):\n    model_type = 'x'\n    file = room.__code__.co_filename\n",
    "modeling_x.py": "def room(past_key_values):\n    return past_key_values.seen_tokens\n",
}
LOAD = """
import sys
from transformers import AutoConfig
print(AutoConfig.from_pretrained(sys.argv[1], trust_remote_code=True).file)
"""


def release() -> tuple[int, ...]:
    return tuple(map(int, importlib.metadata.version("transformers").split(".")[:2]))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def hub(home: Path, repository: str) -> Path:
    """A snapshot as huggingface-hub lays it out: links into the blobs."""
    folder = home / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    for path in (folder / "blobs", folder / "refs", snapshot):
        path.mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    for name, text in FILES.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        (folder / "blobs" / digest).write_text(text)
        (snapshot / name).symlink_to(f"../../blobs/{digest}")
    return snapshot


def local(folder: Path) -> Path:
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def imported(home: Path, model: str | Path) -> str:
    """The text of the modeling file that transformers imports for a model."""
    variables = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", LOAD, str(model)]
    ran = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return Path(ran.stdout.split()[-1]).read_text()


def fixed(home: Path, journal: Journal, *targets: Path) -> Run:
    """What `doctor fix --yes` does; nothing is found any more after it."""
    request = Request(
        targets=tuple(map(str, targets)),
        directory=str(home.parent),
        environment={"HF_HOME": str(home)},
        wanted=partial(wanted, to_fix=True),
    )
    pin = f"transformers=={importlib.metadata.version('transformers')}"
    facts = assume(scan(request), pin)
    run = apply(plan(diagnose(facts, ["removed-attribute"]), facts), journal)
    assert run.entries
    assert run.left == ()
    assert not diagnose(assume(scan(request), pin), ["removed-attribute"]).findings
    return run


def patched(text: str) -> bool:
    return "_doctor_seen_tokens(past_key_values)" in text


@pytest.mark.parametrize("loaded", [False, True], ids=["before-the-first-load", "after-it"])
@pytest.mark.parametrize("repository", ["acme/x", "acme/x-small"])
def test_a_hub_repository(home: Path, journal: Journal, repository: str, loaded: bool) -> None:
    snapshot = hub(home, repository)
    assert not loaded or not patched(imported(home, repository))
    fixed(home, journal)
    assert patched(imported(home, repository))
    assert all(path.is_symlink() for path in snapshot.iterdir())
    assert (snapshot / "modeling_x.py").read_text() == FILES["modeling_x.py"]
    journal.undo()
    assert not patched(imported(home, repository))


def test_a_local_folder(home: Path, journal: Journal, tmp_path: Path) -> None:
    folder = local(tmp_path / "tiny")
    assert not patched(imported(home, folder))
    fixed(home, journal, folder)
    assert patched(imported(home, folder))
    journal.undo()
    assert not patched(imported(home, folder))


@pytest.mark.parametrize("loaded", [False, True], ids=["before-the-first-load", "after-it"])
def test_a_snapshot_by_its_path(home: Path, journal: Journal, loaded: bool) -> None:
    snapshot = hub(home, "acme/x")
    assert not loaded or not patched(imported(home, "acme/x"))
    fixed(home, journal, snapshot)
    assert patched(imported(home, snapshot))
    assert patched(imported(home, "acme/x"))
    journal.undo()
    assert not patched(imported(home, snapshot))
    assert not patched(imported(home, "acme/x"))
    assert (snapshot / "modeling_x.py").is_symlink()


def test_a_repository_without_an_owner(home: Path, journal: Journal) -> None:
    if release() <= (5, 3):
        pytest.skip("this release loads no repository without an owner from its cache")
    hub(home, "x")
    assert not patched(imported(home, "x"))
    fixed(home, journal)
    assert patched(imported(home, "x"))
