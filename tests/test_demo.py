"""`doctor demo`: its parts everywhere, the whole of it where torch and transformers are installed."""

import importlib.metadata
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version
from rich.console import Console

from doctor import demo
from doctor.demo import fault
from doctor.demo.rescue import Rescue
from doctor.demo.story import Stopped
from doctor.settings import UsageError

FOLDER = "transformers/models/phi3"


def installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def wheel(folder: Path, **files: str) -> Path:
    path = folder / "transformers-4.44.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{FOLDER}/{name}.py", text)
    return path


def story(root: Path) -> Rescue:
    return Rescue(Console(file=io.StringIO(), width=100, record=True), root, "5.23.0")


@pytest.mark.skipif(bool(installed("torch") and installed("transformers")), reason="the demo could run here")
def test_a_missing_extra_is_one_sentence_with_the_command(capfd):
    assert demo.demo() == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("doctor: demo: it loads a model, and ")
    assert err.endswith("-m pip install 'tune-doctor[demo]'\n")
    assert err.count("\n") == 1


def test_a_page_that_could_not_be_written_is_said_before_anything_is_fetched(tmp_path, capsys):
    with pytest.raises(UsageError, match=r"cannot write .*/gone/page\.html: its folder does not exist"):
        demo.demo(output=str(tmp_path / "gone" / "page.html"))
    assert capsys.readouterr().out == ""


def test_imports_of_the_library_become_absolute_and_those_of_the_model_stay(tmp_path):
    text = "from ...utils import x\nif x:\n    from ...a.b import (\n        y,\n    )\nfrom .configuration import z\n"
    code = fault.code(wheel(tmp_path, configuration_phi3="", modeling_phi3=text))
    assert code["modeling_phi3.py"].splitlines() == [
        "from transformers.utils import x",
        "if x:",
        "    from transformers.a.b import (",
        "        y,",
        "    )",
        "from .configuration import z",
    ]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("no zip"), lambda path: path.mkdir()])
def test_a_file_that_is_not_the_wheel(tmp_path, make):
    make(tmp_path / "some.whl")
    with pytest.raises(Stopped, match=r"some.whl is not a wheel of transformers 4.44.2: "):
        story(tmp_path / "root").from_file(str(tmp_path / "some.whl"))


def test_a_wheel_without_phi3(tmp_path):
    with pytest.raises(Stopped, match="is not a wheel of transformers"):
        fault.code(wheel(tmp_path, modeling_llama=""))


def test_a_registry_out_of_reach_names_the_cure(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INPUT", "1")
    with pytest.raises(Stopped) as stopped:
        story(tmp_path).from_registry()
    assert str(stopped.value).startswith("pip could not fetch transformers==4.44.2 (")
    assert str(stopped.value).endswith("elsewhere, then: doctor demo --wheel FILE")


def test_the_planted_repository_is_laid_out_as_a_download(tmp_path):
    snapshot = tmp_path / "models--a--b/snapshots/abc"
    snapshot.mkdir(parents=True)
    fault.publish(snapshot, {"config.json": b"{}"})
    assert (tmp_path / "models--a--b/refs/main").read_text() == "abc"
    assert (snapshot / "config.json").is_symlink()
    assert (snapshot / "config.json").read_bytes() == b"{}"
    assert (snapshot / "config.json").resolve().parent.name == "blobs"


def test_children_see_no_cache_and_no_home_but_the_scratch_ones(tmp_path, monkeypatch):
    for name in ("HF_HUB_CACHE", "TRANSFORMERS_CACHE", "DOCTOR_STATE_DIR", "XDG_CACHE_HOME", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/elsewhere")
    environment = story(tmp_path).environment
    assert "/elsewhere" not in environment.values()
    for name in ("HOME", "HF_HOME", "TMPDIR", "DOCTOR_STATE_DIR", "DOCTOR_CACHE_DIR"):
        assert environment[name].startswith(str(tmp_path))


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt, Stopped, SystemExit])
def test_the_scratch_folder_goes_whatever_happens(error):
    before = signal.getsignal(signal.SIGTERM)
    try:
        with demo._scratch() as root:
            (root / "file").write_text("")
            if error:
                raise error
    except BaseException as caught:
        assert type(caught) is error
    assert not root.exists()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_scratch_folder_goes_when_the_demo_is_ended(tmp_path, number):
    script = (
        "import time\nfrom doctor.demo import _scratch\nwith _scratch():\n    print(1, flush=True)\n    time.sleep(60)"
    )
    variables = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], env=variables, stdout=-1, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert [each.name[:12] for each in tmp_path.iterdir()] == ["doctor-demo-"]
        child.send_signal(number)
        assert child.wait(30) != 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def real_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release the demo takes its files from, out of the package registry."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("wheel")
    call = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder)]
    subprocess.run([*call, "transformers==4.44.2"], check=True)
    return next(folder.glob("*.whl"))


def start(tmp_path: Path, *words: str) -> "subprocess.Popen[str]":
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    variables = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path / "home"), "COLUMNS": "100"}
    call = [sys.executable, "-m", "doctor", "demo", *words]
    return subprocess.Popen(
        call, env=variables, stdout=-1, stderr=-1, text=True, cwd=tmp_path / "home", start_new_session=True
    )


def nothing_is_left(tmp_path: Path) -> bool:
    return not any(file for name in ("home", "tmp") for file in (tmp_path / name).iterdir())


@pytest.mark.live
def test_the_demo(tmp_path, real_wheel):
    began = time.monotonic()
    out, err = start(tmp_path, "--part", "rescue", "--wheel", str(real_wheel)).communicate(timeout=600)
    assert nothing_is_left(tmp_path)
    release = Version(importlib.metadata.version("transformers"))
    if release < Version("4.54"):
        assert f"transformers {release} still runs this code" in err
        return
    assert err == ""
    assert "\x1b" not in out
    if release.major >= 5:
        assert "KeyError: 'type'" in out
        assert "rope-scaling-type-key" in out
    assert out.count("✓ the remote class loaded and generated [") == 2
    assert out.count("byte for byte") == 2
    assert "✓ Failed, found, mended, equal, taken back: " in out
    assert time.monotonic() - began < 600


@pytest.mark.live
def test_ctrl_c_leaves_nothing_behind(tmp_path, real_wheel):
    child = start(tmp_path, "--part", "rescue", "--wheel", str(real_wheel))
    assert child.stdout is not None
    for row in child.stdout:
        if row.startswith("3/9"):
            break
    time.sleep(2)
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (130, "doctor: interrupted\n")
    assert nothing_is_left(tmp_path)
