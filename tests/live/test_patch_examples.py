"""What the patches say of the installed release is true: *before* stops on it where they say so, *after* never does.

Each miniature is a file of remote code in a few lines, run against real configurations and caches; no model is loaded.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from doctor.model import within
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


def run(source: str, patched: bool = True) -> dict[str, Any]:
    """The names a file defines, rewritten first."""
    text = source
    if patched:
        text = rewrite(source).text
        assert text != source
        assert rewrite(text).text == text
    space: dict[str, Any] = {"__name__": "remote"}
    exec(compile(text, "modeling_tiny.py", "exec"), space)
    return space


def holds(requirement: str) -> bool:
    import transformers

    return within(requirement, transformers.__version__)


def old_of(name: str) -> str:
    return next(patch.old for patch in catalogue() if patch.id() == name)


@pytest.mark.parametrize("written", PLAIN + LONG, ids=repr)
def test_every_spelling_of_config_json_takes_its_branch(written: dict[str, Any]) -> None:
    config = run(CONFIG)["TinyConfig"].from_dict(copy.deepcopy(written))
    assert run(ROPE)["Attention"](config).kind() == ("longrope" if written in LONG else "plain")


def test_no_scaling_stops_the_unpatched_file_where_the_patch_says_so() -> None:
    config = run(CONFIG)["TinyConfig"]()
    attention = run(ROPE, patched=False)["Attention"](config)
    if holds(old_of("rope-default-unhandled")):
        assert attention.kind() == "plain"
    else:
        with pytest.raises(KeyError, match="type"):
            attention.kind()


def test_the_unpatched_configuration_refuses_the_new_key_on_every_release() -> None:
    config = run(CONFIG, patched=False)["TinyConfig"]
    with pytest.raises(ValueError, match="three fields"):
        config(rope_scaling={"rope_type": "default"})


THETA = "def theta(config):\n    return config.rope_theta\n"


@pytest.mark.parametrize("written", [{"rope_theta": 5000.0}, PLAIN[-1], LONG[-1]], ids=repr)
def test_theta_of_a_remote_configuration(written: dict[str, Any]) -> None:
    config = run(CONFIG)["TinyConfig"].from_dict(copy.deepcopy(written))
    assert run(THETA)["theta"](config) == 5000.0


def test_theta_of_the_library_s_configuration() -> None:
    from transformers import LlamaConfig

    config = LlamaConfig.from_dict({"rope_theta": 5000.0, "hidden_size": 64, "num_attention_heads": 4})
    assert run(THETA)["theta"](config) == 5000.0
    if not holds(old_of("rope-theta-attribute")):
        with pytest.raises(AttributeError, match="rope_theta"):
            run(THETA, patched=False)["theta"](config)


INIT = """
import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

class Rotary:
    def __init__(self, config):
        self.inv_freq, self.scale = ROPE_INIT_FUNCTIONS["default"](config, "cpu")
"""


def test_plain_rope_out_of_the_table() -> None:
    import torch
    from transformers import LlamaConfig

    config = LlamaConfig(rope_theta=5000.0, hidden_size=64, num_attention_heads=4)
    rotary = run(INIT)["Rotary"](config)
    assert torch.allclose(rotary.inv_freq, 1.0 / 5000.0 ** (torch.arange(0, 16, 2) / 16)) and rotary.scale == 1.0
    if holds(old_of("rope-init-default-missing")):
        assert torch.equal(rotary.inv_freq, run(INIT, patched=False)["Rotary"](config).inv_freq)
    else:
        with pytest.raises(KeyError, match="default"):
            run(INIT, patched=False)["Rotary"](config)


CACHE = {
    "cache-seen-tokens": "cache.seen_tokens",
    "cache-get-usable-length": "cache.get_usable_length(1, 0)",
    "cache-get-max-length": "3 if cache.get_max_length() is None else 0",
    "cache-to-legacy-cache": "len(cache.to_legacy_cache()) and 3",
    "cache-from-legacy-cache": "DynamicCache.from_legacy_cache(((states, states),)).get_seq_length()",
}


@pytest.mark.parametrize("name", CACHE)
def test_what_is_asked_of_a_cache(name: str) -> None:
    import torch
    from transformers import DynamicCache

    states = torch.zeros(1, 2, 3, 4)
    cache = DynamicCache()
    cache.update(states, states, 0)
    source = f"from transformers import DynamicCache\n\ndef ask(cache, states):\n    return {CACHE[name]}\n"
    assert run(source)["ask"](cache, states) == 3
    if holds(old_of(name)):
        assert run(source, patched=False)["ask"](cache, states) == 3
    elif name != "cache-get-max-length":  # it comes back with another meaning
        with pytest.raises(AttributeError):
            run(source, patched=False)["ask"](cache, states)


def test_a_removed_import_has_a_stand_in() -> None:
    import transformers.utils.import_utils as utils

    source = (
        "from transformers.utils.import_utils import is_torch_fx_available\nanswer = bool(is_torch_fx_available())\n"
    )
    assert run(source)["answer"] in (True, False)
    if not hasattr(utils, "is_torch_fx_available"):
        with pytest.raises(ImportError):
            run(source, patched=False)


def test_no_patch_refuses_its_own_examples() -> None:
    for example in (example for patch in catalogue() for example in patch.examples):
        rewrite(example.before + "\n")
