"""A working folder with an environment and one broken model, as a stranger has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

CODE = '''"""Remote code as it was written for transformers 4.41."""


class TinyAttention:
    def __init__(self, config):
        self.config = config
        if self.config.rope_scaling is None:
            self.kind = "plain"
        else:
            self.kind = self.config.rope_scaling["type"]

    def forward(self, past_key_value):
        return past_key_value.seen_tokens
'''
CONFIG = {"model_type": "tiny", "auto_map": {"AutoModel": "modeling_tiny.TinyAttention"}, "rope_scaling": None}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: `env` has transformers 5.23.0, `tiny` is the model."""
    metadata = tmp_path / "env" / "lib" / "python3.11" / "site-packages" / "transformers-5.23.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: transformers\nVersion: 5.23.0\n", "utf-8")
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n", "utf-8")
    (tmp_path / "env" / "bin").mkdir()
    (tmp_path / "env" / "bin" / "python").touch(0o755)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "modeling_tiny.py").write_text(CODE, "utf-8")
    (tmp_path / "tiny" / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "env"))
    monkeypatch.setenv("DOCTOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path
