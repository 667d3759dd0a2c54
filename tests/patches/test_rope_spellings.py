"""Whatever way a file asks for its scaling, the rewritten file takes the same branch for every config.json."""

from __future__ import annotations

import copy
import textwrap
from functools import cache
from types import CodeType, SimpleNamespace
from typing import Any

import pytest

from doctor.patch import Refusal, catalogue, rewrite

FACTORS = {"short_factor": [1.0], "long_factor": [2.0]}


class New:
    """A configuration of transformers 5: `rope_scaling` is another name of `rope_parameters`."""

    def __init__(self, **rope: Any) -> None:
        self.rope_parameters = {"rope_theta": 5000.0, "rope_type": rope.get("type", "default"), **rope}

    @property
    def rope_scaling(self) -> dict[str, Any]:
        return self.rope_parameters


def old(rope_scaling: Any, **fields: Any) -> SimpleNamespace:
    return SimpleNamespace(rope_scaling=rope_scaling, **fields)


CONFIGS: dict[str, tuple[Any, str]] = {
    "4-none": (old(None), "plain"),
    "4-type": (old({"type": "longrope", **FACTORS}), "longrope"),
    "4-rope-type": (old({"rope_type": "longrope", **FACTORS}), "longrope"),
    "4-su": (old({"type": "su", **FACTORS}), "longrope"),
    "4-both": (old({"type": "longrope", "rope_type": "longrope", **FACTORS}), "longrope"),
    "4-default": (old({"rope_type": "default"}), "plain"),
    "4-parameters": (old(None, rope_parameters={"rope_type": "longrope", "rope_theta": 1.0, **FACTORS}), "longrope"),
    "4-parameters-default": (old(None, rope_parameters={"rope_type": "default", "rope_theta": 1.0}), "plain"),
    "4-linear": (old({"type": "linear", "factor": 2.0}), "linear"),
    "5-none": (New(), "plain"),
    "5-type": (New(type="longrope", **FACTORS), "longrope"),
    "5-rope-type": (New(rope_type="longrope", **FACTORS), "longrope"),
    "5-su": (New(type="su", rope_type="su", **FACTORS), "longrope"),
    "5-linear": (New(rope_type="linear", factor=2.0), "linear"),
}

CHAIN = """
{indent}if kind == "longrope":
{indent}    return "longrope"
{indent}elif kind == "linear":
{indent}    return "linear"
{indent}else:
{indent}    raise ValueError(f"Unknown RoPE scaling type {{kind}}")
"""

READS = {
    "subscript": 'config.rope_scaling["type"]',
    "single-quotes": "config.rope_scaling['type']",
    "new-key": 'config.rope_scaling["rope_type"]',
    "get": 'config.rope_scaling.get("type")',
    "get-none": 'config.rope_scaling.get("type", None)',
    "half-fix-or": 'config.rope_scaling.get("type") or config.rope_scaling.get("rope_type")',
    "half-fix-get": 'config.rope_scaling.get("rope_type", config.rope_scaling.get("type"))',
    "half-fix-get-swapped": 'config.rope_scaling.get("type", config.rope_scaling.get("rope_type"))',
    "half-fix-in": 'config.rope_scaling["type"] if "type" in config.rope_scaling else config.rope_scaling["rope_type"]',
    "getattr": 'getattr(config, "rope_scaling", None)["type"]',
    "parameters": 'config.rope_parameters["type"]',
    "parenthesised": '(config.rope_scaling)["type"]',
    "spread": 'config.rope_scaling[\n        "type"  # the kind\n    ]',
}

GUARDS = {
    "is-none": "config.rope_scaling is None",
    "falsy": "not config.rope_scaling",
    "getattr-none": 'getattr(config, "rope_scaling", None) is None',
    "not-a-dict": "not isinstance(config.rope_scaling, dict)",
    "equals-none": "config.rope_scaling == None",
    "hasattr-and": 'not (hasattr(config, "rope_scaling") and config.rope_scaling is not None)',
}

WHOLE = {
    "local": """
        def kind_of(config):
            rope_scaling = config.rope_scaling
            if rope_scaling is None:
                return "plain"
            kind = rope_scaling["type"]
    """,
    "other-name": """
        def kind_of(config):
            scaling = getattr(config, "rope_scaling", None)
            if not scaling:
                return "plain"
            kind = scaling.get("type") or scaling.get("rope_type")
    """,
    "alias-of-alias": """
        def kind_of(config):
            first = config.rope_scaling
            second = first
            if second is None:
                return "plain"
            kind = second["type"]
    """,
    "or-empty": """
        def kind_of(config):
            rs = config.rope_scaling or {}
            if not rs:
                return "plain"
            kind = rs.get("type", rs.get("rope_type"))
    """,
    "walrus": """
        def kind_of(config):
            if (rs := config.rope_scaling) is None:
                return "plain"
            kind = rs["type"]
    """,
    "walrus-kind": """
        def kind_of(config):
            if not config.rope_scaling:
                return "plain"
            if (kind := config.rope_scaling["type"]) == "su":
                return "longrope"
    """,
    "annotated": """
        def kind_of(config):
            rope_scaling: dict | None = config.rope_scaling
            if rope_scaling is None:
                return "plain"
            kind: str = rope_scaling["type"]
    """,
    "tuple": """
        def kind_of(config):
            rs, width = config.rope_scaling, 1
            if rs is None:
                return "plain"
            kind = rs["type"]
    """,
    "parameter": """
        def kind_of(config):
            return build(config.rope_scaling)
        def build(rope_scaling):
            if rope_scaling is None:
                return "plain"
            kind = rope_scaling["type"]
    """,
    "keyword-parameter": """
        def kind_of(config):
            return build(rope_scaling=config.rope_scaling)
        def build(rope_scaling=None):
            if not rope_scaling:
                return "plain"
            kind = rope_scaling["type"]
    """,
    "unguarded-get": """
        def kind_of(config):
            kind = config.rope_scaling.get("type") or config.rope_scaling.get("rope_type")
            if kind is None:
                return "plain"
    """,
    "unguarded-try": """
        def kind_of(config):
            try:
                kind = config.rope_scaling["type"]
            except (KeyError, TypeError):
                kind = None
            if kind is None:
                return "plain"
    """,
    "unguarded-default": """
        def kind_of(config):
            kind = config.rope_scaling["type"]
            if kind == "default":
                return "plain"
    """,
    "conditional": """
        def kind_of(config):
            kind = config.rope_scaling["type"] if config.rope_scaling is not None else None
            if kind is None:
                return "plain"
    """,
    "conditional-default": """
        def kind_of(config):
            kind = "default" if config.rope_scaling is None else config.rope_scaling["type"]
            if kind == "default":
                return "plain"
    """,
    "and": """
        def kind_of(config):
            kind = config.rope_scaling and config.rope_scaling["type"]
            if not kind:
                return "plain"
    """,
    "only-hasattr": """
        def kind_of(config):
            if hasattr(config, "rope_scaling"):
                kind = config.rope_scaling["type"]
            else:
                return "plain"
    """,
    "membership": """
        def kind_of(config):
            if config.rope_scaling is None:
                return "plain"
            kind = config.rope_scaling["type"]
            if kind in ["su", "yarn"]:
                return "longrope"
    """,
    "refused-membership": """
        def kind_of(config):
            if config.rope_scaling is None:
                return "plain"
            kind = config.rope_scaling["type"]
            if kind not in ("longrope", "linear"):
                raise ValueError(kind)
            if kind != "longrope":
                return kind
            return "longrope"
    """,
    "nested-function": """
        def kind_of(config):
            rs = config.rope_scaling
            def inner():
                if rs is None:
                    return None
                return rs["type"]
            kind = inner()
            if kind is None:
                return "plain"
    """,
}


@cache
def rewritten(source: str) -> CodeType:
    done = rewrite(source, [patch for patch in catalogue() if "rope" in patch.id()])
    assert rewrite(done.text).text == done.text, "rewriting it again changed it"
    return compile(done.text, "modeling.py", "exec")


def run(source: str, config: Any) -> str:
    space: dict[str, Any] = {}
    exec(rewritten(source), space)
    answer = space["kind_of"](copy.deepcopy(config))
    assert isinstance(answer, str)
    return answer


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("read", READS)
def test_every_read_behind_every_guard(read: str, guard: str, name: str) -> None:
    config, kind = CONFIGS[name]
    body = f"def kind_of(config):\n    if {GUARDS[guard]}:\n        return 'plain'\n    kind = {READS[read]}\n"
    assert run(body + CHAIN.format(indent="    "), config) == kind


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("spelling", WHOLE)
def test_every_spelling(spelling: str, name: str) -> None:
    config, kind = CONFIGS[name]
    assert run(textwrap.dedent(WHOLE[spelling]) + CHAIN.format(indent="    "), config) == kind


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("owner", ["self.config", "self.model.config", "self.config.text_config", "self.hf_cfg"])
def test_a_class_keeps_the_scaling_in_an_attribute(owner: str, name: str) -> None:
    config, kind = CONFIGS[name]
    first = f"class Attention:\n    def __init__(self):\n        self.rope_scaling = {owner}.rope_scaling\n"
    asks = "    def kind(self):\n        if self.rope_scaling is None:\n            return 'plain'\n"
    read = f"        kind = {owner}.rope_scaling['type']\n"
    last = (
        "def kind_of(config):\n    Attention.config = Attention.hf_cfg = config\n    Attention.model = Attention\n"
        "    config.text_config = config\n    return Attention().kind()\n"
    )
    assert run(first + asks + read + CHAIN.format(indent="        ") + last, config) == kind


@pytest.mark.parametrize("name", CONFIGS)
def test_a_class_takes_the_scaling_as_an_argument(name: str) -> None:
    config, kind = CONFIGS[name]
    source = """
class Rotary:
    def __init__(self, dim, rope_scaling=None):
        self.rope_scaling = rope_scaling
    def kind(self):
        if self.rope_scaling is not None:
            kind = self.rope_scaling["type"]
""" + CHAIN.format(indent="            ")
    source += "        return 'plain'\ndef kind_of(config):\n    return Rotary(8, config.rope_scaling).kind()\n"
    assert run(source, config) == kind


@pytest.mark.parametrize("name", [name for name in CONFIGS if name.startswith("4")])
@pytest.mark.parametrize("read", ['config["rope_scaling"]', 'config.get("rope_scaling")'])
def test_a_configuration_that_is_a_dict(read: str, name: str) -> None:
    config, kind = CONFIGS[name]
    body = f"def kind_of(config):\n    if {read} is None:\n        return 'plain'\n    kind = {read}['type']\n"
    assert run(body + CHAIN.format(indent="    "), vars(config)) == kind


def test_a_table_of_classes_and_a_match_statement() -> None:
    table = 'def kind_of(config):\n    return {"su": "longrope", "linear": "linear"}[config.rope_scaling["type"]]\n'
    assert (
        run(
            table.replace('"longrope"', "LONG").replace(': "linear"', ": LINE") + "LONG = LINE = 'x'\n",
            CONFIGS["5-rope-type"][0],
        )
        == "x"
    )
    match = 'def kind_of(config):\n    match config.rope_scaling["type"]:\n        case "su":\n            return "x"\n'
    assert run(match, CONFIGS["5-rope-type"][0]) == "x"


def test_multimodal_sections_stay_under_the_name_default() -> None:
    source = """
def kind_of(config):
    if config.rope_scaling is not None:
        return config.rope_scaling["mrope_section"][0]
    return config.rope_scaling["type"]
"""
    assert run(source, old({"type": "default", "rope_type": "default", "mrope_section": ["16"]})) == "16"


def test_other_keys_are_still_asked_of_a_plain_dict() -> None:
    source = 'def kind_of(config):\n    kind = config.rope_scaling.get("type")\n'
    assert run(source + '    return str(config.rope_scaling.get("factor", 1.0))\n', New()) == "1.0"
    assert run(source + '    return str("factor" in config.rope_scaling)\n', New()) == "False"
    assert run(source + '    return str(config.rope_scaling["rope_theta"])\n', New()) == "5000.0"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{**config.rope_scaling}", "{**(_doctor_rope_scaling(config) or {})}"),
        ("dict(config.rope_scaling)", "dict(_doctor_rope_scaling(config) or {})"),
        ("f\"{config.rope_scaling['type']}\"", 'f"{_doctor_rope_type(config)}"'),
        ("lambda: config.rope_scaling['type']", "lambda: _doctor_rope_type(config)"),
        ("[c.rope_scaling['type'] for c in configs]", "[_doctor_rope_type(c) for c in configs]"),
    ],
)
def test_odd_places(before: str, after: str) -> None:
    first = "def f(config, configs):\n    kind = config.rope_scaling['type'], len(config.rope_scaling)\n"
    source = f"{first}    return {before}\n"
    text = rewrite(source, [patch for patch in catalogue() if "rope" in patch.id()]).text
    assert text.endswith(f"    return {after}\n")


@pytest.mark.parametrize(
    "line",
    [
        "del config.rope_scaling['type']",
        "config.rope_scaling.setdefault('type', 'su')",
        "other.rope_scaling = config.rope_scaling",
        "config.rope_scaling['type'] += 'x'",
        "OtherConfig(rope_scaling=config.rope_scaling)",
        "getattr(*configs)",
        "isinstance(*configs)",
    ],
)
def test_what_changes_or_copies_the_configuration_stays(line: str) -> None:
    source = f"def f(config, other, *configs):\n    kind = config.rope_scaling['type']\n    {line}\n"
    text = rewrite(source, [patch for patch in catalogue() if "rope" in patch.id()]).text
    assert text.endswith(f"    kind = _doctor_rope_type(config)\n    {line}\n")


def test_what_could_be_two_things_is_refused() -> None:
    with pytest.raises(Refusal, match="stands for both"):
        rewrite("def f(config):\n    return config.rope_scaling.get('type', 'linear')\n")
