"""`--probe` on stand-in packages that crash, hang, miss a symbol, or are well; and nothing is imported without it."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

import pytest

from doctor.cli import main
from doctor.model import Package, Python
from doctor.probe import Probe
from doctor.scan import probe

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the environments here are POSIX ones")
CRASHES = "import os, sys\nsys.stderr.write('loading\\n')\nsys.stderr.flush()\nos.kill(os.getpid(), 11)\n"
HANGS = "import subprocess, time\nsubprocess.Popen(['sleep', '30'])\nprint('half', flush=True)\ntime.sleep(30)\n"
SYMBOL = "raise ImportError('flash_attn_2_cuda.so: undefined symbol: _ZN3c105ErrorC2E')\n"
WELL = "class version: cuda = None\nclass cuda:\n    is_available = staticmethod(lambda: False)\n"
MOCKED = "import sys, types\nlib = types.SimpleNamespace(error_msg='libcudart.so.13: cannot open')\n"
MOCKED += "sys.modules['bitsandbytes.cextension'] = types.SimpleNamespace(lib=lib)\n"


@pytest.fixture
def env(tmp_path: Path) -> Path:
    venv.create(tmp_path / "env", symlinks=True)
    return tmp_path / "env"


def put(env: Path, name: str, body: str) -> None:
    """Install a package that does this when it is imported."""
    site = next(env.glob("lib/python3.*/site-packages"))
    (site / name).mkdir()
    (site / name / "__init__.py").write_text(body, "utf-8")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", "utf-8")


def probed(env: Path, *names: str, limit: float = 30) -> list[Probe]:
    python = Python(str(env / "bin" / "python"), prefix=str(env))
    return list(probe.run(python, {name: Package(name, "1.0") for name in names}, dict(os.environ), limit))


def test_each_import_is_told_as_it_ended(env: Path) -> None:
    put(env, "torch", WELL)
    put(env, "bitsandbytes", MOCKED)
    put(env, "flash_attn", SYMBOL)
    put(env, "peft", CRASHES)
    torch, bitsandbytes, flash, peft = probed(env, "torch", "bitsandbytes", "flash-attn", "peft")
    assert torch == Probe("torch", answer={"cuda": "None", "available": "False"})
    assert bitsandbytes.said == "its native library does not load: libcudart.so.13: cannot open"
    assert flash.failed == "fails"
    assert flash.said.splitlines()[-1] == "ImportError: flash_attn_2_cuda.so: undefined symbol: _ZN3c105ErrorC2E"
    assert peft.failed == "is killed by SIGSEGV"
    assert peft.said.startswith("loading\nFatal Python error: Segmentation fault")


def test_a_library_that_answers_to_every_name_is_well(env: Path) -> None:
    put(env, "torch", WELL)
    real = "import sys, types\nclass Library:\n    def __getattr__(self, name): return print\n"
    put(env, "bitsandbytes", real + "sys.modules['bitsandbytes.cextension'] = types.SimpleNamespace(lib=Library())\n")
    assert [each.failed for each in probed(env, "torch", "bitsandbytes")] == ["", ""]


def test_an_import_that_hangs_is_ended_with_what_it_started(env: Path) -> None:
    put(env, "torch", HANGS)
    assert probed(env, "torch", "peft", limit=1) == [Probe("torch", "is still being imported after 1 seconds")]


def test_an_interpreter_that_cannot_be_started(env: Path) -> None:
    (env / "bin" / "python").unlink()
    (found,) = probed(env, "torch")
    assert found.failed.endswith("cannot be started: No such file or directory")


def test_the_command(env: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    put(env, "torch", "import os\nopen(os.environ['SEEN'], 'w').close()\nraise OSError('libcudnn.so.9: not found')\n")
    seen = env.parent / "seen"
    for name, value in {"SEEN": str(seen), "HF_HOME": str(env.parent / "hf"), "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(env.parent)
    command = ["check", "--python", str(env), "--select", "import-fails"]
    assert main(command) == 0
    assert not seen.exists()
    capsys.readouterr()
    assert main([*command, "--probe"]) == 1
    assert seen.exists()
    said = " ".join(capsys.readouterr().out.split())
    assert "import of torch 1.0: it fails:" in said
    assert "OSError: libcudnn.so.9: not found" in said
