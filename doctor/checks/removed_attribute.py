"""The file uses an attribute or method that the release no longer has.

Why it matters: caches, models, configurations, tokenizers and processors of transformers lost hundreds of methods
between 4.36 and 5.20; code that calls one stops with `AttributeError`, often only in `generate`, after the model was
loaded.  What each class had is read from the releases' own files.  `get_max_length` is worse: it came back in 5.13 and
answers -1, not None, for "no limit".

What to do: `doctor fix` replaces what the catalogue knows by a form that every release takes.  For the rest the
remedy names the replacement.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from doctor import members
from doctor.code import Code
from doctor.lineage import KINDS, kind, makes
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.releases import Life, Minor, minor
from doctor.spelling import remote_code

CACHE = r"(?i)cache|past|kv|^key_values?$"
OWN_CACHE = CACHE.replace("past", "(?<!curr_)past")
"""Not `curr_past_key_values`: the library's own cross-attention reads `key_cache` of it, where it never comes by."""
TOKENIZER = r"(?i)tok(eni[sz]er)?$"
OWN = r"^(self|model|self\.model|super\(\))$"
INSTEAD = {
    "seen_tokens": "`get_seq_length()`",
    "_seen_tokens": "`get_seq_length()`",
    "get_usable_length": "`get_seq_length(layer_idx)`",
    "get_max_length": "None for a DynamicCache, which has no limit",
    "get_max_cache_shape": "None for a DynamicCache, which has no limit",
    "from_legacy_cache": "`DynamicCache()` and `update(key, value, layer)` in a loop",
    "to_legacy_cache": "the cache itself",
    "key_cache": "`cache.layers[i].keys`",
    "value_cache": "`cache.layers[i].values`",
    "get_head_mask": "`[None] * config.num_hidden_layers`",
    "_convert_head_mask_to_5d": "`[None] * config.num_hidden_layers`",
    "get_extended_attention_mask": "a copy of the method in the file",
    "invert_attention_mask": "a copy of the method in the file",
    "_extract_past_from_model_output": "`outputs.past_key_values`",
    "_get_logits_warper": "`_get_logits_processor`, which makes the warpers too",
    "encode_plus": "`tokenizer(text)`",
    "batch_encode_plus": "`tokenizer(texts)`",
    "additional_special_tokens": "`extra_special_tokens`",
    "additional_special_tokens_ids": "`convert_tokens_to_ids(tokenizer.extra_special_tokens)`",
    "as_target_tokenizer": "`tokenizer(text_target=...)`",
    "prepare_seq2seq_batch": "`tokenizer(texts, text_target=...)`",
}
"""What to use for the names that are met most; for others the last release that had it says how it was made."""
LISTS = ("key_cache", "value_cache")
"""Lists of a cache that `layers` took the place of."""
MASKS = ("get_head_mask", "_convert_head_mask_to_5d", "get_extended_attention_mask", "invert_attention_mask")
"""Methods of a model that are looked for on anything called so."""
STEMS = (
    b"seen_tokens", b"_usable_length", b"get_max_", b"_legacy_cache", b"key_cache", b"value_cache", b"head_mask",
    b"attention_mask(", b"_extract_past_from", b"encode_plus", b"additional_special_tokens", b"as_target_tokenizer",
    b"prepare_seq2seq_batch", b"past_key_value", b"PreTrained", b"PretrainedConfig", b"ProcessorMixin",
    b"BaseImageProcessor", b"FeatureExtract",
)  # fmt: skip
BACK = (5, 13)
"""The release in which `get_max_length` came back."""
MODEL = "class M(PreTrainedModel):\n    def f(self):\n        return self.{}\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=STEMS,
    passes=[
        remote_code("n = past_key_values.get_seq_length()"),
        remote_code("if hasattr(cache, 'seen_tokens'):\n    n = cache.seen_tokens"),
        remote_code("if hasattr(past, 'layers'):\n    f(past.layers)\nelse:\n    f(past.key_cache[0])"),
        remote_code("old = parse(transformers.__version__) < parse('4.56')\nif old:\n    n = cache.seen_tokens"),
        remote_code("def _doctor_seen_tokens(cache):\n    return cache.seen_tokens"),
        remote_code("n = statistics.seen_tokens"),
        remote_code(
            "from transformers import PreTrainedTokenizer\nclass T(PreTrainedTokenizer):\n"
            "    def f(self, ids):\n        return PreTrainedTokenizer.build_inputs_with_special_tokens(self, ids)\n"
        ),
        remote_code("size = cache.get_max_length()\nroom = size - n"),
        remote_code(MODEL.format("_reorder_stem_cache(1)")),
        remote_code(MODEL.format("is_parallelizable") + "    is_parallelizable = False\n"),
    ],
    fails=[
        remote_code("n = past_key_values.seen_tokens", "5.0.0"),
        remote_code("if hasattr(past, 'seen'):\n    f(past.seen)\nelse:\n    f(past.key_cache[0])"),
        remote_code("old = 'seen' in past\nif old:\n    n = cache.seen_tokens", "5.0.0"),
        remote_code("kv += past_key_value.get_usable_length(n, 0)", "4.47.1"),
        remote_code("from transformers import DynamicCache as D\npast = D.from_legacy_cache(past)", "5.0.0"),
        remote_code("limit = past_key_values.get_max_length()\nif limit is not None: pass"),
        remote_code(MODEL.format("_get_logits_warper(config)")),
        remote_code(MODEL.format("warnings_issued")),
    ],
)
def removed_attribute(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find uses of names that their class has lost, on what is called, imported as, or is, such an object."""
    release, lost = facts.transformers, _lost()
    for node in code.every(ast.Attribute):
        of = _kind(code, facts, node) if node.attr in lost else None
        life = members.member(of, node.attr) if of else None
        if life is None or code.ours(node) or code.guarded(node, "AttributeError") or _tested(code, node):
            continue
        if (answer := _judge(code, node, life, minor(release), str(release))) is not None:
            message, severity = answer
            remedy = Remedy("advice", f"use {INSTEAD.get(node.attr, 'a copy of it in the file')}")
            yield Finding(message, remedy, code.location(node), f"attribute:{node.attr}", severity=severity)


def _tested(code: Code, node: ast.Attribute) -> bool:
    """Whether the file asks first: the release, the object for the name, or a cache for what has taken its place."""
    return code.tested(node, node.attr) or (node.attr in LISTS and code.tested(node, "layers"))


def _kind(code: Code, facts: Facts, node: ast.Attribute) -> str | None:
    """The class on which a name is looked up, where that can be told; None also where the file makes the name."""
    if isinstance(node.ctx, ast.Store):
        return None
    owner = node.value
    if node.attr in MASKS:
        mine = re.search(OWN, ast.unparse(owner))
        return "PreTrainedModel" if mine and not makes(code, facts, node.attr) else None
    if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super":
        owner = owner.func
    if isinstance(owner, ast.Name) and owner.id in ("self", "super"):
        around = code.class_of(node)
        of = kind(code, around.name) if around is not None else None
        return of if of and not makes(code, facts, node.attr) else None
    named = code.imports.get(owner.id, "").rpartition(".")[2] if isinstance(owner, ast.Name) else ""
    if named.startswith("PreTrainedTokenizer"):
        return KINDS.get(named)
    if node.attr in members.lost("DynamicCache"):
        return "DynamicCache" if _is_receiver(code, owner, OWN_CACHE) else None
    if node.attr in members.lost("PreTrainedTokenizerBase"):
        return "PreTrainedTokenizerBase" if _is_receiver(code, owner, TOKENIZER) else None
    return None


@cache
def _lost() -> frozenset[str]:
    return frozenset().union(*map(members.lost, ("GenerationMixin", *KINDS.values())))


def _is_receiver(code: Code, node: ast.expr, receiver: str) -> bool:
    """Whether an object is, by its name or import, a cache (or tokenizer); `self` is the file's own class."""
    if isinstance(node, ast.Call):
        node = node.func
    elif isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return re.search(receiver, node.attr) is not None
    if not isinstance(node, ast.Name) or node.id in ("self", "cls"):
        return False
    return any(re.search(receiver, name.rpartition(".")[2]) for name in (node.id, code.imports.get(node.id, "")))


def _judge(code: Code, node: ast.Attribute, life: Life, judged: Minor, release: str) -> tuple[str, Severity] | None:
    text, name = ast.unparse(node), node.attr
    if name.startswith("get_max_") and _ordered(code, node):
        return None  # an ordering counts on a number: written for 5.13 or later
    if name == "get_max_length" and judged >= BACK:
        if not _compared_with_none(code, node):
            return None
        return f"{text}() is -1, not None, for a cache without limit on transformers {release}", Severity.ERROR
    if judged not in life:
        last = life.ended(judged)
        since = "" if last is None else f": the last release with it is {_text(last)}"
        return f"{text} is used, but transformers {release} has no {name}{since}", Severity.ERROR
    lost = life.lost(judged)
    if lost is None:
        return None
    return f"{text} is used: transformers {release} has {name}, {_text(lost)} does not", Severity.WARNING


def _text(release: Minor) -> str:
    return f"{release[0]}.{release[1]}"


def _ordered(code: Code, node: ast.AST) -> bool:
    parents = list(code.parents(node))[:2]
    signs = [op for parent in parents if isinstance(parent, ast.Compare) for op in parent.ops]
    return any(isinstance(sign, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for sign in signs)


def _compared_with_none(code: Code, node: ast.AST) -> bool:
    """Whether the answer, or the variable it is assigned to, is compared with None in the same function."""
    texts = {ast.unparse(node) + "()"}
    for parent in code.parents(node):
        if isinstance(parent, ast.Assign):
            texts |= {ast.unparse(target) for target in parent.targets}
    scope = code.function(node) or code.tree
    return any(
        isinstance(compare, ast.Compare)
        and isinstance(compare.comparators[0], ast.Constant)
        and compare.comparators[0].value is None
        and ast.unparse(compare.left) in texts
        for compare in ast.walk(scope)
    )
