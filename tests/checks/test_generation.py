"""What remote code of 4.x says about generation: from which release on it is an error, and what is left alone."""

from __future__ import annotations

import pytest

from doctor.diagnose import diagnose
from doctor.model import Severity, Source
from doctor.spelling import remote_code

OVERRIDE = "class M(P):\n    def prepare_inputs_for_generation(self, ids, {}, **kw):\n        {}\n"
ROOT = "class M(PreTrainedModel):\n"


def severity(text: str, version: str, name: str) -> Severity | None:
    """How bad one check finds a file on a release."""
    findings = diagnose(remote_code(text, version), select=[name]).findings
    return findings[0].severity if findings else None


@pytest.mark.parametrize(
    ("argument", "use", "last", "first"),
    [
        ("attention_mask", "n = attention_mask.shape", "4.57.6", "5.0.0"),
        ("position_ids", "return {'position_ids': position_ids}", "4.57.6", "5.0.0"),
        ("cache_position", "n = cache_position[0]", "5.1.0", "5.2.0"),
        (
            "cache_position",
            "return super().prepare_inputs_for_generation(ids, cache_position=cache_position)",
            "5.3.0",
            "5.4.0",
        ),
    ],
)
def test_each_argument_of_an_override_has_its_release(argument: str, use: str, last: str, first: str) -> None:
    text = OVERRIDE.format(argument, use)
    assert severity(text, last, "generation-inputs-override") is Severity.WARNING
    assert severity(text, first, "generation-inputs-override") is Severity.ERROR


@pytest.mark.parametrize(
    "use",
    [
        "n = attention_mask.shape if attention_mask is not None else 0",
        "ok = attention_mask is not None and attention_mask.shape[1] > 1",
        "return super().prepare_inputs_for_generation(ids, attention_mask=attention_mask)",
        "return {'attention_mask': attention_mask}",
    ],
)
def test_a_mask_that_may_be_none_is_left_alone(use: str) -> None:
    assert severity(OVERRIDE.format("attention_mask", use), "5.23.0", "generation-inputs-override") is None


@pytest.mark.parametrize(
    ("name", "text", "last", "first"),
    [
        ("cache-of-tuples", ROOT + "    def f(self, layer_past): return layer_past[0]\n", "4.53.3", "4.54.0"),
        (
            "generation-mixin-missing",
            ROOT + "    def prepare_inputs_for_generation(self): return {}\nlanguage_model = M(config)\n",
            "4.51.3",
            "4.52.0",
        ),
        (
            "initial-cache-position-override",
            ROOT + "    def _get_initial_cache_position(self, ids, kw): return kw\n",
            "4.51.3",
            "4.52.0",
        ),
        ("num-logits-to-keep-none", "h = h[:, -num_logits_to_keep:]\n", "4.48.3", "4.49.0"),
        ("post-init-missing", ROOT + "    def __init__(self, c): super().__init__(c)\n", "4.57.6", "5.0.0rc1"),
    ],
)
def test_severity_is_error_from_the_release_that_stops(name: str, text: str, last: str, first: str) -> None:
    assert severity(text, last, name) is Severity.WARNING
    assert severity(text, first, name) is Severity.ERROR


def test_a_default_counts_where_a_file_beside_the_configuration_reads_it() -> None:
    text = "class C(PretrainedConfig):\n    def __init__(self, **kw): super().__init__(**kw)\n"
    facts = remote_code(text)
    reads = Source(
        "remote/modeling_x.py", "remote-code", "class M(PreTrainedModel):\n    n = lambda s: s.config.pad_token_id\n"
    )
    beside = type(facts)(sources=(*facts.sources, reads), packages=facts.packages)
    elsewhere = Source("other/modeling_x.py", "remote-code", reads.text)
    apart = type(facts)(sources=(*facts.sources, elsewhere), packages=facts.packages)
    (finding,) = diagnose(beside, select=["config-defaults-missing"]).findings
    assert "does not set pad_token_id, which modeling_x.py counts on" in finding.message
    (alone,) = diagnose(apart, select=["config-defaults-missing"]).findings
    assert "which a model counts on" in alone.message
