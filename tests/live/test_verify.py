"""`doctor fix --verify` on this release: a real Phi-3 repository of an older one, and a patch wrong on purpose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import doctor

pytestmark = pytest.mark.live
ROOT = Path(__file__).resolve().parents[2]
BUILD = "import sys; from pathlib import Path; from corpus import main; main(Path(sys.argv[1]), ['phi3_longrope'])"
WRONG = {"return getattr(config, name, *default)\n    return held": "return 5100.0\n    return 5100.0"}
"""A theta that is not the model's, in the function that reads it."""
KEPT = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH")


def environment(home: Path, **variables: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **variables}


@pytest.fixture(scope="module")
def phi3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with Phi-3's code of transformers 4.44.2 and tiny weights."""
    root, origin = tmp_path_factory.mktemp("phi3"), os.environ["ORIGIN"]
    path = os.pathsep.join([str(ROOT / "tests/rescue"), origin])
    command = [sys.executable, "-W", "ignore", "-c", BUILD, str(root)]
    subprocess.run(command, env=environment(root, PYTHONPATH=path), check=True, cwd=root)
    (made,) = (root / "phi3_longrope").glob("repo_*")
    return made


@pytest.fixture
def model(phi3: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(phi3, tmp_path / "phi3"))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with transformers 4.44.2."""
    root = tmp_path_factory.mktemp("old") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    paths = [os.environ["ORIGIN"], *filter(None, [sysconfig.get_path("purelib"), *sys.path[1:]])]
    (packages,) = root.glob("lib/python3*/site-packages")
    (packages / "all.pth").write_text("\n".join(path for path in paths if "site-packages" in path or path in paths[:1]))
    return root


def fixed(model: Path, *options: str, house: Path | None = None) -> tuple[int, dict[str, Any]]:
    """The exit code of a fix, for all releases, and the verdict on its one model."""
    call = f"import sys; sys.path.insert(0, {str(house or ROOT)!r}); from doctor.cli import main; sys.exit(main())"
    words = ["fix", "--yes", "--format", "json", "--against", "transformers==5.23.0", *options, str(model)]
    done = subprocess.run(
        [sys.executable, "-c", call, *words],
        env=environment(model.parent, DOCTOR_STATE_DIR=str(model.parent / "state")),
        cwd=model.parent,
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    (verdict,) = json.loads(done.stdout)["verified"]
    return done.returncode, verdict


def test_a_right_fix_is_equal_here_and_on_the_release_of_origin(model: Path, old: Path) -> None:
    _, verdict = fixed(model, "--verify-with", str(old))
    assert verdict["state"] == "equal", verdict
    assert verdict["largest_difference"] <= 1e-4
    assert verdict["weights"] == "its own weights, as 32-bit numbers"
    releases = {run["transformers"] for run in verdict["runs"] if run["code"] == "after" and not run["failed"]}
    assert len(releases) == 2 and "4.44.2" in releases
    assert "_doctor_" in (model / "modeling_phi3.py").read_text("utf-8")


def test_a_patch_that_is_silently_wrong_is_caught_with_random_weights_too(model: Path, tmp_path: Path) -> None:
    house, source = tmp_path / "house", Path(doctor.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "trainer", "evaluate")
    shutil.copytree(source, house / "doctor", symlinks=False, ignore=ignored)
    patch = house / "doctor/rope_patch.py"
    for right, wrong in WRONG.items():
        assert right in patch.read_text("utf-8")
        patch.write_text(patch.read_text("utf-8").replace(right, wrong), "utf-8")
    (model / "model.safetensors").unlink()
    before = (model / "modeling_phi3.py").read_bytes()
    code, verdict = fixed(model, "--verify", house=house)
    assert (code, verdict["state"]) == (1, "differs"), verdict
    assert verdict["largest_difference"] > 1e-3
    assert verdict["weights"].startswith("random weights, seed 7")
    assert (model / "modeling_phi3.py").read_bytes() == before
