"""What every test gets: a home of its own and none of the user's Hugging Face variables."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
# In the checkout the folder `evaluate/` would hide the library of that name.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]

# A shell starts background jobs deaf to Ctrl-C, and children would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MEANT_FOR_THE_USER = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "PYTORCH_TRANSFORMERS_", "XDG_", "DOCTOR_")


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home folder, so that no test reads or writes the user's caches and journal."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in [name for name in os.environ if name.startswith(MEANT_FOR_THE_USER)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return home


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """tests/trainer/tiny.py: a tiny llama and conversations for it."""
    spec = importlib.util.spec_from_file_location("tiny", ROOT / "tests/trainer/tiny.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_llama(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder; needs torch and safetensors."""
    folder: Path = tiny.write_model(tmp_path_factory.mktemp("tiny") / "llama")
    return folder
