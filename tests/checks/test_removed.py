"""Names that releases lost: on what they are looked up, where, and how a file may guard itself."""

from __future__ import annotations

import pytest

from doctor.diagnose import diagnose
from doctor.model import Facts, Finding, Package, Severity, Source
from doctor.releases import Life, floors, imported, native, requires

ATTRIBUTE, IMPORT = "removed-attribute", "removed-import"


def find(text: str, version: str = "5.23.0", kind: str = "remote-code") -> tuple[Finding, ...]:
    source = Source("modeling.py", kind, text)  # type: ignore[arg-type]
    packages = {"transformers": Package("transformers", version)}
    return diagnose(Facts(sources=(source,), packages=packages), select=[ATTRIBUTE, IMPORT]).findings


@pytest.mark.parametrize(
    ("name", "version", "severity"),
    [
        ("seen_tokens", "4.47.1", Severity.WARNING),
        ("seen_tokens", "4.53.3", Severity.WARNING),
        ("seen_tokens", "4.54.0", Severity.ERROR),
        ("get_usable_length", "4.57.6", Severity.ERROR),
        ("get_max_length", "4.47.1", Severity.WARNING),
        ("get_max_length", "4.57.6", Severity.ERROR),
        ("get_max_length", "5.12.1", Severity.ERROR),
        ("get_max_cache_shape", "4.57.6", Severity.WARNING),
        ("get_max_cache_shape", "5.23.0", Severity.ERROR),
        ("from_legacy_cache", "4.57.6", Severity.WARNING),
        ("from_legacy_cache", "5.0.0rc1", Severity.ERROR),
        ("to_legacy_cache", "6.0.0", Severity.ERROR),
        ("key_cache", "4.57.6", Severity.ERROR),
    ],
)
def test_severity_is_error_from_the_release_that_lost_the_name(name: str, version: str, severity: Severity) -> None:
    (finding,) = find(f"x = past_key_values.{name}()", version)
    assert (finding.severity, finding.construct) == (severity, f"attribute:{name}")


@pytest.mark.parametrize(
    ("name", "last", "first"),
    [
        ("get_head_mask", "4.57.6", "5.0.0"),
        ("invert_attention_mask", "5.16.0", "5.17.0"),
        ("get_extended_attention_mask", "5.16.0", "5.17.0"),
    ],
)
def test_mask_methods_of_a_model_are_mended(name: str, last: str, first: str) -> None:
    for version, severity in ((last, Severity.WARNING), (first, Severity.ERROR)):
        (finding,) = find(f"mask = self.{name}(mask, 2)", version)
        assert (finding.severity, finding.construct, finding.patch) == (
            severity,
            f"attribute:{name}",
            "removed-mask-method",
        )


@pytest.mark.parametrize(
    "text",
    [
        "n = self.cache.seen_tokens",
        "n = outputs.past_key_values.seen_tokens",
        "n = caches[0].seen_tokens",
        "n = past_key_value.get_usable_length(4, self.layer_idx)",
        "from transformers.cache_utils import StaticCache as Fixed\nx = Fixed.from_legacy_cache(p)",
        "ids = tokenizer.batch_encode_plus(texts)",
        "ids = self.tok.encode_plus(text)",
        "head_mask = self.get_head_mask(head_mask, 4)",
        "mask = self.model.invert_attention_mask(mask)",
    ],
)
def test_on_what_is_called_so(text: str) -> None:
    assert [finding.id for finding in find(text)] == [ATTRIBUTE]


@pytest.mark.parametrize(
    "text",
    [
        "n = counter.seen_tokens",
        "n = self.seen_tokens",
        "class Own(Cache):\n    def get_max_length(self):\n        return super().get_max_length()",
        "n = cache.seen_tokens if hasattr(cache, 'seen_tokens') else cache.get_seq_length()",
        "if hasattr(past, 'to_legacy_cache'):\n    past = past.to_legacy_cache()\n",
        "ok = hasattr(cache, 'get_max_length') and cache.get_max_length() is None",
        "try:\n    n = cache.seen_tokens\nexcept AttributeError:\n    n = 0",
        "if version.parse(transformers.__version__) < version.parse('4.54'):\n    n = cache.seen_tokens",
        "full = cache.get_max_length() < 8  # a number since 5.13",
        "class A:\n    def f(self):\n        return self.get_head_mask(None)\n    def get_head_mask(self, x): ...",
        "def _doctor_max_length(cache):\n    return cache.get_max_length() is None",
        "text = 'past_key_values.seen_tokens'",
    ],
)
def test_left_alone(text: str) -> None:
    assert find(text, "5.0.0") == ()


def test_minus_one_is_an_error_only_where_none_is_expected() -> None:
    expects = "limit = past.get_max_length()\nif limit is not None:\n    mask = mask[:, -limit:]"
    (finding,) = find(expects)
    assert "is -1, not None" in finding.message and finding.severity is Severity.ERROR
    assert find("limit = past.get_max_length()\nmask = zeros(limit)") == ()


def test_the_place_of_an_import_is_the_name() -> None:
    text = "from transformers.cache_utils import (\n    Cache,\n    HybridCache as H,\n)\n"
    (finding,) = find(text)
    assert finding.where is not None
    assert (finding.where.line, finding.where.column) == (3, 5)
    assert finding.construct == "import:transformers.cache_utils.HybridCache"


@pytest.mark.parametrize(
    "text",
    [
        "from transformers.utils import is_torch_fx_available",
        "from transformers.utils.import_utils import logging, \\\n    is_torch_fx_available",
        "from transformers.models.llama.modeling_llama import LlamaFlashAttention2",
        "from transformers.models.llama.tokenization_llama_fast import LlamaTokenizerFast",
        "from transformers.onnx import OnnxConfigWithPast",
        "from transformers.models.deprecated._archive_maps import GPT2_PRETRAINED_CONFIG_ARCHIVE_MAP",
        "from transformers.pytorch_utils import find_pruneable_heads_and_indices",
        "from transformers.modeling_utils import SequenceSummary",
        "from transformers import AdamW",
        "from transformers import AutoModelForVision2Seq",
        "from transformers.utils import LossKwargs",
        "from transformers.utils import TRANSFORMERS_CACHE",
        "def lazily():\n    from transformers import TFAutoModel",
        "if is_flash_attn_2_available():\n    from transformers.cache_utils import HybridCache",
        "import transformers.deepspeed",
    ],
)
def test_imports_that_fail_on_the_newest_release(text: str) -> None:
    assert [(finding.id, finding.severity) for finding in find(text)] == [(IMPORT, Severity.ERROR)]


@pytest.mark.parametrize(
    "text",
    [
        "from transformers import AutoModelForCausalLM, Trainer, TrainingArguments, BitsAndBytesConfig",
        "from transformers import LlamaTokenizerFast, LlamaTokenizer, PreTrainedTokenizerFast",
        "from transformers.tokenization_utils import PreTrainedTokenizer, AddedToken",
        "from transformers.utils import logging, add_start_docstrings, is_flash_attn_2_available",
        "from transformers.modeling_attn_mask_utils import _prepare_4d_causal_attention_mask",
        "from transformers.pytorch_utils import ALL_LAYERNORM_LAYERS, is_torch_greater_or_equal_than_1_13",
        "from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, LlamaForCausalLM",
        "from transformers.dynamic_module_utils import is_offline_mode",
        "try:\n    from transformers.onnx import PatchingSpec\nexcept (ImportError, AttributeError):\n    pass",
        "try:\n    from transformers import AdamW\nexcept:\n    pass",
        "from .transformers import AdamW",
        "# from transformers import AdamW\nx = 1",
    ],
)
def test_imports_that_work_on_the_newest_release(text: str) -> None:
    assert find(text) == ()


def test_a_name_that_is_not_there_yet_says_when_it_comes() -> None:
    (finding,) = find("from transformers.masking_utils import create_causal_mask", "4.47.1")
    assert finding.message.endswith("transformers 4.47.1 does not have: it came with 4.53")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS, dynamic_rope_update", "4.51"),
        ("from transformers.modeling_flash_attention_utils import flash_attn_supports_top_left_mask", "4.51"),
        ("from transformers.integrations.flex_attention import make_flex_block_causal_mask", "4.50"),
    ],
)
def test_a_name_may_be_younger_than_its_module(text: str, first: str) -> None:
    (finding,) = find(text, "4.47.1")
    assert finding.message.endswith(f"transformers 4.47.1 does not have: it came with {first}")


def test_of_several_spans_what_is_in_all() -> None:
    assert Life("-4.42 4.51-", "4.43-").spans == Life("4.51-").spans
    assert Life("-4.42", "4.43-").spans == []


def test_the_text_of_a_span() -> None:
    spans = Life("4.42-4.57 5.5-")
    assert (4, 41) not in spans and (4, 42) in spans and (5, 0) not in spans and (5, 99) in spans
    assert (spans.ended((5, 0)), spans.begins((5, 0)), spans.lost((4, 47))) == ((4, 57), (5, 5), (5, 0))


def test_the_table_of_releases() -> None:
    assert imported("transformers.cache_utils", "DynamicCache") is None
    assert "huggingface-hub<1.0,>=0.24.0" in requires((4, 47))
    assert requires((6, 0)) == requires((5, 23))
    assert floors((5, 18))["peft"] == "0.20.0"
    assert native("Phi3ForCausalLM") == ((4, 41), ("phi3",))
    assert native("NoSuchModel") is None


GENERATES = "class M(PreTrainedModel, GenerationMixin):\n    def f(self):\n        return self.{}\n"


@pytest.mark.parametrize(
    ("name", "last", "first"),
    [
        ("_get_logits_warper(c)", "4.44.2", "4.45.0"),
        ("_extract_past_from_model_output(o)", "4.48.3", "4.49.0"),
        ("_supports_cache_class", "4.53.3", "4.54.0"),
        ("is_parallelizable", "4.57.6", "5.0.0"),
    ],
)
def test_what_a_model_inherited_is_found_from_the_release_that_lost_it(name: str, last: str, first: str) -> None:
    for version, severity in ((last, Severity.WARNING), (first, Severity.ERROR)):
        (finding,) = find(GENERATES.format(name), version)
        assert (finding.id, finding.severity) == (ATTRIBUTE, severity)
        assert finding.construct == f"attribute:{name.partition('(')[0]}"


def test_what_the_mixin_brings_is_lost_to_a_model_without_it() -> None:
    text = GENERATES.format("_get_logits_processor(c)")
    assert find(text) == ()
    (finding,) = find(text.replace(", GenerationMixin", ""))
    assert "the last release with it is 4.51" in finding.message


@pytest.mark.parametrize(
    "text",
    [
        GENERATES.format("_reorder_stem(c)"),
        GENERATES.format("half()"),
        GENERATES.format("is_parallelizable") + "    is_parallelizable = True\n",
        GENERATES.format("is_parallelizable").replace("PreTrainedModel, GenerationMixin", "nn.Module"),
        "class T(PreTrainedTokenizer):\n    def f(self):\n        return self.bos_token_id, self.pad_token\n",
        "class T(PreTrainedTokenizer):\n    def f(self):\n        return self.extra_special_tokens\n",
    ],
)
def test_members_that_are_there_or_the_file_s_own(text: str) -> None:
    assert find(text) == ()


def test_a_member_that_a_file_beside_defines_is_there() -> None:
    packages = {"transformers": Package("transformers", "5.23.0")}
    uses = Source("m/a.py", "remote-code", GENERATES.format("is_parallelizable"))
    defines = Source("m/b.py", "remote-code", "class Base(PreTrainedModel):\n    is_parallelizable = True\n")
    assert diagnose(Facts(sources=(uses, defines), packages=packages), select=[ATTRIBUTE]).findings == ()


ARGUMENT, OVERRIDE = "removed-argument", "override-lacks-argument"


def answer(text: str, version: str, name: str) -> tuple[Finding, ...]:
    """What one check says of remote code on a release."""
    source = Source("modeling.py", "remote-code", text)
    packages = {"transformers": Package("transformers", version)}
    return diagnose(Facts(sources=(source,), packages=packages), select=[name]).findings


ROTARY = "from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding as R\n"


@pytest.mark.parametrize(
    ("call", "version", "says"),
    [
        (
            "R(64, base=1e4)",
            "5.0.0",
            "argument 'base' on transformers 5.0.0: the last release that takes it is 4.47",
        ),
        ("R(64, 2048, 1e4)", "5.0.0", "takes 2 positional arguments but 3 were given"),
        ("R(64, base=1e4)", "4.47.1", "R() got an unexpected keyword argument 'base' on transformers 4.57"),
    ],
)
def test_a_call_that_an_older_release_took(call: str, version: str, says: str) -> None:
    (finding,) = answer(ROTARY + f"rotary = {call}\n", version, ARGUMENT)
    assert says in finding.message
    assert finding.severity is (Severity.WARNING if version == "4.47.1" else Severity.ERROR)


@pytest.mark.parametrize("call", ["R(config)", "R(config=c)", "R(*sizes)", "R(**more)", "R()"])
def test_calls_that_are_taken_or_not_known(call: str) -> None:
    assert answer(ROTARY + f"rotary = {call}\n", "5.0.0", ARGUMENT) == ()


@pytest.mark.parametrize(
    ("text", "version", "says"),
    [
        ("class M(PreTrainedModel):\n    def tie_weights(self): pass\n", "5.0.0", "argument 'missing_keys' on"),
        ("class M(PreTrainedModel):\n    def tie_weights(self): pass\n", "4.57.6", "from transformers 5.0 on"),
        (
            "class T(PreTrainedTokenizer):\n    def _pad(self, e, max_length=None, padding_strategy=None, "
            "pad_to_multiple_of=None, return_attention_mask=None): pass\n",
            "4.47.1",
            "argument 'padding_side' on transformers 4.47.1",
        ),
    ],
)
def test_an_override_is_handed_what_it_does_not_take(text: str, version: str, says: str) -> None:
    (finding,) = answer(text, version, OVERRIDE)
    assert says in finding.message
    assert answer(text.replace("): pass", ", **kwargs): pass"), version, OVERRIDE) == ()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("TrainingArguments('out', train_sampling_strategy='sequential')", "upgrade transformers to 5.2 or newer, or "),
        ("TrainingArguments('out', overwrite_output_dir=True)", "leave `overwrite_output_dir` out"),
    ],
)
def test_an_argument_that_is_too_new_and_one_that_is_gone(call: str, says: str) -> None:
    version = "4.47.1" if "upgrade" in says else "5.23.0"
    source = Source("train.py", "script", f"from transformers import TrainingArguments\n{call}")
    facts = Facts(sources=(source,), packages={"transformers": Package("transformers", version)})
    (finding,) = diagnose(facts, select=["removed-argument"]).findings
    assert finding.remedy.text.startswith(says)
