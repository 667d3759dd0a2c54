"""Every spelling in which remote code reads the type of its RoPE scaling."""

from __future__ import annotations

import pytest

from doctor.diagnose import diagnose
from doctor.model import Facts, Finding, ModelFacts, Package, Severity, Source

KEY, DEFAULT = "rope-scaling-type-key", "rope-default-unhandled"
READS = {
    "subscript": 'kind = self.config.rope_scaling["type"]',
    "single quotes": "kind = config.rope_scaling['type']",
    "get": 'kind = config.rope_scaling.get("type")',
    "get with default": 'kind = config.rope_scaling.get("type", None)',
    "bare name": 'def f(rope_scaling):\n    return rope_scaling["type"]',
    "nested config": 'kind = self.config.text_config.rope_scaling["type"]',
    "local variable": 'def f(config):\n    scaling = config.rope_scaling\n    return scaling["type"]',
    "two variables": 'def f(config):\n    a = config.rope_scaling\n    b = a\n    return b["type"]',
    "attribute of self": 'self.scaling = config.rope_scaling\nkind = self.scaling["type"]',
    "annotated": 'scaling: dict = config.rope_scaling\nkind = scaling["type"]',
    "walrus": 'if (scaling := config.rope_scaling) and scaling["type"] == "su":\n    pass',
    "walrus at once": 'kind = (scaling := config.rope_scaling)["type"]',
    "getattr": 'kind = getattr(config, "rope_scaling")["type"]',
    "getattr with default": 'kind = getattr(config, "rope_scaling", None).get("type")',
    "or an empty dict": 'kind = (config.rope_scaling or {}).get("type")',
    "conditional": 'kind = (config.rope_scaling if config.rope_scaling else {"type": None})["type"]',
    "copy": 'kind = dict(config.rope_scaling)["type"]',
    "method copy": 'kind = config.rope_scaling.copy()["type"]',
    "dict of dicts": 'kind = config["rope_scaling"]["type"]',
    "get of get": 'kind = config.get("rope_scaling", {}).get("type")',
    "comparison": 'if config.rope_scaling["type"] in ("su", "yarn"):\n    pass',
    "pop": 'kind = config.rope_scaling.pop("type")',
}
FINE = {
    "both keys": 'kind = config.rope_scaling.get("rope_type") or config.rope_scaling.get("type")',
    "one after the other": 'def f(rope_scaling):\n    kind = rope_scaling.get("rope_type")\n    if kind is None:\n'
    '        kind = rope_scaling["type"]',
    "asked before": 'if "type" in config.rope_scaling:\n    kind = config.rope_scaling["type"]',
    "asked in one line": 'kind = config.rope_scaling["type"] if "type" in config.rope_scaling else None',
    "caught": 'try:\n    kind = config.rope_scaling["type"]\nexcept KeyError:\n    kind = None',
    "written": 'config.rope_scaling["type"] = "longrope"',
    "patched": 'kind = _doctor_rope_type(self.config.rope_scaling)  # was ["type"]',
    "patched before": 'self.rope_scaling = _doctor_rope_scaling(config)\nkind = self.rope_scaling["type"]',
    "inside a helper": 'def _doctor_rope_type(rope_scaling):\n    return rope_scaling["type"]',
    "another dict": 'kind = config.quantization["type"]\nscaling = config.rope_scaling',
}
NONE = {"rope_scaling": None}
NEW = {"rope_scaling": {"rope_type": "longrope"}}
OLD = {"rope_scaling": {"type": "longrope"}}


def find(text: str, version: str = "5.23.0", config: dict[str, object] | None = None) -> tuple[Finding, ...]:
    source = Source("modeling_phi3.py", "remote-code", text, model="phi3")
    models = () if config is None else (ModelFacts("phi3", config),)
    packages = {"transformers": Package("transformers", version)}
    return diagnose(Facts(sources=(source,), models=models, packages=packages), select=[KEY, DEFAULT]).findings


@pytest.mark.parametrize("text", READS.values(), ids=READS)
def test_every_spelling_is_found(text: str) -> None:
    assert {finding.id for finding in find(text)} == {KEY}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_code_that_understands_both_is_left_alone(text: str) -> None:
    assert find(text) == ()


def test_the_place_is_where_the_read_begins() -> None:
    (finding,) = find('# größer\nclass A:\n    def f(self):\n        é = "ö"; k = self.config.rope_scaling["type"]\n')
    assert finding.where is not None
    assert (finding.where.line, finding.where.column) == (4, 22)


def test_form_feeds_do_not_shift_lines_or_suppressions() -> None:
    assert find('x = 1\n\x0c\nkind = config.rope_scaling["type"]  # doctor: ignore[rope-scaling-type-key]\n') == ()


@pytest.mark.parametrize("text", ["\ufeff{}\n", "x = 1\r{}", "x = 1\r\n{}\r\n"])
def test_marks_and_line_ends_of_other_systems(text: str) -> None:
    assert len(find(text.format('kind = config.rope_scaling["type"]'))) == 1


@pytest.mark.parametrize(
    ("version", "config", "severity"),
    [
        ("5.23.0", None, Severity.ERROR),
        ("5.0.0", NONE, Severity.ERROR),
        ("4.47.1", NEW, Severity.ERROR),
        ("4.57.6", {"rope_parameters": {"rope_type": "default"}}, Severity.ERROR),
        ("4.47.1", OLD, Severity.WARNING),
        ("4.57.6", NONE, Severity.WARNING),
        ("4.57.6", None, Severity.WARNING),
    ],
)
def test_severity_follows_the_release_and_the_config(
    version: str, config: dict[str, object] | None, severity: Severity
) -> None:
    found = find('kind = config.rope_scaling["type"]', version, config)
    assert [finding.severity for finding in found] == [severity]


def test_a_configuration_class_is_given_what_config_json_says() -> None:
    text = 'class C(PretrainedConfig):\n    def check(self):\n        return self.rope_scaling.get("type", None)'
    assert [f.severity for f in find(text, "5.23.0", NONE)] == [Severity.WARNING]
    assert [f.severity for f in find(text, "5.23.0", NEW)] == [Severity.ERROR]


CHAIN = """
def init_rope(self):
    if self.rope_scaling is None:
        self.rotary_emb = Plain()
    else:
        kind = self.config.rope_scaling.get("type") or self.config.rope_scaling.get("rope_type")
        if kind == "su":
            self.rotary_emb = Su()
        elif kind == "yarn":
            self.rotary_emb = Yarn()
        else:
            raise ValueError(f"Unknown RoPE scaling type {kind}")
"""
HALF_FIXES = {
    "if chain": CHAIN,
    "not in": 'def f(s):\n    k = s.rope_scaling["rope_type"]\n    if k not in ("su", "yarn"):\n'
    "        raise ValueError(k)",
    "direct": 'def f(s):\n    if s.rope_scaling["rope_type"] == "su":\n        pass\n    else:\n'
    "        raise ValueError",
    "match": 'def f(s):\n    k = s.rope_scaling["rope_type"]\n    match k:\n        case "su":\n            pass\n'
    "        case _:\n            raise ValueError(k)",
}


@pytest.mark.parametrize("text", HALF_FIXES.values(), ids=HALF_FIXES)
def test_a_half_fix_sends_default_into_the_error(text: str) -> None:
    found = find(text)
    assert [(finding.id, finding.severity) for finding in found] == [(DEFAULT, Severity.ERROR)]


def test_the_half_fix_is_placed_at_the_read() -> None:
    (finding,) = find(CHAIN)
    assert finding.where is not None and finding.where.line == 6
    assert "line 12 raises" in finding.message


def test_one_edit_does_not_hide_behind_the_other() -> None:
    untouched = CHAIN.replace(' or self.config.rope_scaling.get("rope_type")', "")
    assert [finding.id for finding in find(untouched)] == [KEY]


@pytest.mark.parametrize("known", ['kind == "default"', 'kind in (None, "default")'])
def test_a_chain_that_knows_default_is_well(known: str) -> None:
    assert find(CHAIN.replace('kind == "su"', known)) == ()
