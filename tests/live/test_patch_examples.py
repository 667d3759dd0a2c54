"""Every spelling of RoPE in config.json reaches its branch of a rewritten file; no patch refuses an example of another.

Each miniature is a file of remote code in a few lines, run against real configurations; no model is loaded.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from doctor.patch import catalogue, rewrite

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]  # releases deprecate what is tested

CONFIG = """
from transformers import PretrainedConfig

class TinyConfig(PretrainedConfig):
    model_type = "tiny-remote"

    def __init__(self, rope_theta=10000.0, rope_scaling=None, hidden_size=64, num_attention_heads=4,
                 max_position_embeddings=64, original_max_position_embeddings=16, **kwargs):
        self.hidden_size, self.num_attention_heads = hidden_size, num_attention_heads
        self.max_position_embeddings = max_position_embeddings
        self.original_max_position_embeddings = original_max_position_embeddings
        self.rope_theta = rope_theta
        self.rope_scaling = rope_scaling
        self._rope_scaling_validation()
        super().__init__(**kwargs)

    def _rope_scaling_validation(self):
        if self.rope_scaling is None:
            return
        if not isinstance(self.rope_scaling, dict) or len(self.rope_scaling) != 3:
            raise ValueError(f"`rope_scaling` must be a dictionary with three fields, got {self.rope_scaling}")
        kind = self.rope_scaling.get("type", None)
        short, long = self.rope_scaling.get("short_factor", None), self.rope_scaling.get("long_factor", None)
        if kind not in ["longrope"] or len(short) != len(long):
            raise ValueError(f"`rope_scaling`'s type field must be longrope, got {kind}")
"""
ROPE = """
import torch

class Attention:
    def __init__(self, config):
        self.config = config
        self.rope_scaling = config.rope_scaling

    def kind(self):
        if self.rope_scaling is None:
            return "plain"
        scaling_type = self.config.rope_scaling["type"]
        if scaling_type == "longrope":
            return "longrope"
        raise ValueError(f"Unknown RoPE scaling type {scaling_type}")
"""
FACTORS = {"short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
PLAIN: list[dict[str, Any]] = [
    {},
    {"rope_scaling": None},
    {"rope_scaling": {"rope_type": "default"}},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 5000.0}},
]
LONG: list[dict[str, Any]] = [
    {"rope_scaling": {"type": "longrope", **FACTORS}},
    {"rope_scaling": {"type": "su", **FACTORS}},
    {"rope_scaling": {"rope_type": "longrope", **FACTORS}},
    {"rope_scaling": {"type": "longrope", "rope_type": "longrope", **FACTORS}},
    {
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 5000.0,
            "original_max_position_embeddings": 16,
            **FACTORS,
        }
    },
]


def run(source: str) -> dict[str, Any]:
    """The names a file defines, rewritten first."""
    text = rewrite(source).text
    assert text != source
    assert rewrite(text).text == text
    space: dict[str, Any] = {"__name__": "remote"}
    exec(compile(text, "modeling_tiny.py", "exec"), space)
    return space


@pytest.mark.parametrize("written", PLAIN + LONG, ids=repr)
def test_every_spelling_of_config_json_takes_its_branch(written: dict[str, Any]) -> None:
    config = run(CONFIG)["TinyConfig"].from_dict(copy.deepcopy(written))
    assert run(ROPE)["Attention"](config).kind() == ("longrope" if written in LONG else "plain")


THETA = "def theta(config):\n    return config.rope_theta\n"


@pytest.mark.parametrize("written", [{"rope_theta": 5000.0}, PLAIN[-1], LONG[-1]], ids=repr)
def test_theta_of_a_remote_configuration(written: dict[str, Any]) -> None:
    config = run(CONFIG)["TinyConfig"].from_dict(copy.deepcopy(written))
    assert run(THETA)["theta"](config) == 5000.0


def test_no_patch_refuses_its_own_examples() -> None:
    for example in (example for patch in catalogue() for example in patch.examples):
        rewrite(example.before + "\n")
