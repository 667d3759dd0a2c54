"""The numbers that came out of `rope_parameters`, and the plain RoPE that left the table."""

from __future__ import annotations

import textwrap
from types import SimpleNamespace
from typing import Any

import pytest

from doctor.patch import catalogue, rewrite

OWN = SimpleNamespace(rope_theta=5000.0)
FILLED_IN = SimpleNamespace(rope_theta=5000.0, rope_parameters={"rope_theta": 10000.0, "rope_type": "default"})
WRITTEN = SimpleNamespace(rope_theta=10000.0, rope_parameters={"rope_theta": 5000.0, "rope_type": "default"})
LIBRARY = SimpleNamespace(rope_parameters={"rope_theta": 5000.0, "partial_rotary_factor": 0.5})
READS = {
    "attribute": "config.rope_theta",
    "getattr": 'getattr(config, "rope_theta", 1.0)',
    "hasattr": 'config.rope_theta if hasattr(config, "rope_theta") else 1.0',
}


def run(source: str, config: Any) -> Any:
    text = rewrite(source, [patch for patch in catalogue() if "rope" in patch.id()]).text
    space: dict[str, Any] = {}
    exec(text, space)
    return space["read"](config)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("config", [OWN, FILLED_IN, WRITTEN, LIBRARY], ids=["own", "filled-in", "written", "library"])
def test_theta_wherever_it_is(config: Any, read: str) -> None:
    assert run(f"def read(config):\n    return {READS[read]}\n", config) == 5000.0


def test_a_default_stands_where_there_is_nothing() -> None:
    assert run('def read(config):\n    return getattr(config, "rope_theta", 7.0)\n', SimpleNamespace()) == 7.0
    with pytest.raises(AttributeError, match="rope_theta"):
        run("def read(config):\n    return config.rope_theta\n", SimpleNamespace())


def test_parameters_of_each_layer_type_are_not_taken_for_one() -> None:
    config = SimpleNamespace(rope_theta=3.0, rope_parameters={"full_attention": {"rope_theta": 5.0}})
    assert run("def read(config):\n    return config.rope_theta\n", config) == 3.0


def test_the_rotary_part_of_a_head() -> None:
    source = 'def read(config):\n    return getattr(config, "partial_rotary_factor", 1.0)\n'
    assert run(source, LIBRARY) == 0.5
    assert run(source, OWN) == 1.0


VALIDATION = """
class TinyConfig(PretrainedConfig):
    def __init__(self, rope_scaling):
        self.rope_scaling = rope_scaling
        self.check()

    def check(self):
        if self.rope_scaling is None:
            return
        if not isinstance(self.rope_scaling, dict) or len(self.rope_scaling) != 2:
            raise ValueError(f"two fields, got {self.rope_scaling}")
        kind, factor = self.rope_scaling.get("type", None), self.rope_scaling.get("factor", None)
        if kind not in ["linear", "dynamic"]:
            raise ValueError(f"linear or dynamic, got {kind}")
        if not isinstance(factor, float):
            raise ValueError(f"a float, got {factor}")

def read(rope_scaling):
    return TinyConfig(rope_scaling).rope_scaling
"""


@pytest.mark.parametrize(
    "scaling",
    [
        None,
        {"rope_type": "default"},
        {"rope_type": "default", "rope_theta": 5000.0},
        {"type": "linear", "factor": 2.0},
        {"rope_type": "linear", "factor": 2.0},
        {"type": "linear", "rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0},
    ],
    ids=repr,
)
def test_a_validation_takes_the_newer_words(scaling: Any) -> None:
    assert run("PretrainedConfig = object\n" + textwrap.dedent(VALIDATION), scaling) is scaling


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        ({"type": "linear"}, "two fields"),
        ({"rope_type": "linear"}, "two fields"),
        ({"type": "linear", "factor": 2}, "a float, got 2"),
        ({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0}, "linear or dynamic, got llama3"),
    ],
    ids=repr,
)
def test_what_a_validation_says_of_the_values_stands(scaling: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run("PretrainedConfig = object\n" + textwrap.dedent(VALIDATION), scaling)
