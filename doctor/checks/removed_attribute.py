"""The file uses an attribute or method that the release no longer has.

Why it matters: caches, models and tokenizers of transformers lost methods between 4.48 and 5.20; code that calls one
stops with `AttributeError`, often only in `generate`, after the model was loaded.  `get_max_length` is worse: it came
back in 5.13 and answers -1, not None, for "no limit".

What to do: `doctor fix` replaces what the catalogue knows by a form that every release takes.  For the rest the
remedy names the replacement.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from doctor.code import Code
from doctor.model import Facts, Finding, Package, Remedy, Severity, Source, source_check
from doctor.releases import Life, Minor

CACHE = r"(?i)cache|past|kv|^key_values?$"
OWN_CACHE = CACHE.replace("past", "(?<!curr_)past")
"""Not `curr_past_key_values`: the library's own cross-attention reads `key_cache` of it, where it never comes by."""
TOKENIZER = r"(?i)tok(eni[sz]er)?$"
OWN = r"^(self|model|self\.model|super\(\))$"


class Gone(NamedTuple):
    """A name: on what it is looked up, which releases have it, and what to use instead."""

    receiver: str
    releases: str
    instead: str


NAMES = {
    "seen_tokens": Gone(CACHE, "-4.53", "`get_seq_length()`"),
    "_seen_tokens": Gone(CACHE, "-4.53", "`get_seq_length()`"),
    "get_usable_length": Gone(CACHE, "-4.53", "`get_seq_length(layer_idx)`"),
    "get_max_length": Gone(CACHE, "-4.48", "None for a DynamicCache, which has no limit"),
    "get_max_cache_shape": Gone(CACHE, "4.46-5.19", "None for a DynamicCache, which has no limit"),
    "from_legacy_cache": Gone(CACHE, "-4.57", "`DynamicCache()` and `update(key, value, layer)` in a loop"),
    "to_legacy_cache": Gone(CACHE, "-4.57", "the cache itself"),
    "key_cache": Gone(OWN_CACHE, "-4.55", "`cache.layers[i].keys`"),
    "value_cache": Gone(OWN_CACHE, "-4.55", "`cache.layers[i].values`"),
    "get_head_mask": Gone(OWN, "-4.57", "`[None] * config.num_hidden_layers`"),
    "_convert_head_mask_to_5d": Gone(OWN, "-4.57", "`[None] * config.num_hidden_layers`"),
    "get_extended_attention_mask": Gone(OWN, "-5.16", "a copy of the method in the file"),
    "invert_attention_mask": Gone(OWN, "-5.16", "a copy of the method in the file"),
    "_extract_past_from_model_output": Gone(OWN, "-4.48", "`outputs.past_key_values`"),
    "_get_logits_warper": Gone(OWN, "-4.44", "`_get_logits_processor`, which makes the warpers too"),
    "encode_plus": Gone(TOKENIZER, "-4.57", "`tokenizer(text)`"),
    "batch_encode_plus": Gone(TOKENIZER, "-4.57", "`tokenizer(texts)`"),
    "additional_special_tokens": Gone(TOKENIZER, "-4.57", "`extra_special_tokens`"),
    "additional_special_tokens_ids": Gone(
        TOKENIZER, "-4.57", "`convert_tokens_to_ids(tokenizer.extra_special_tokens)`"
    ),
    "as_target_tokenizer": Gone(TOKENIZER, "-4.57", "`tokenizer(text_target=...)`"),
    "prepare_seq2seq_batch": Gone(TOKENIZER, "-4.57", "`tokenizer(texts, text_target=...)`"),
}
"""Ranges are to the minor release, read in the published wheels."""
STEMS = (
    b"seen_tokens", b"_usable_length", b"get_max_", b"_legacy_cache", b"key_cache", b"value_cache", b"head_mask",
    b"attention_mask(", b"_extract_past_from", b"_logits_warper", b"encode_plus", b"additional_special_tokens",
    b"as_target_tokenizer", b"prepare_seq2seq_batch",
)  # fmt: skip
USED = rb"\.(?:" + "|".join(NAMES).encode() + rb")\b"
BACK = (5, 13)
"""The release in which `get_max_length` came back."""


def _facts(text: str, version: str = "5.0.0") -> Facts:
    packages = {"transformers": Package("transformers", version)}
    return Facts(sources=(Source("modeling_phi3.py", "remote-code", text),), packages=packages)


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=STEMS,
    confirm=lambda data: re.search(USED, data),
    passes=[
        _facts("n = past_key_values.get_seq_length()"),
        _facts("if hasattr(cache, 'seen_tokens'):\n    n = cache.seen_tokens"),
        _facts("def _doctor_seen_tokens(cache):\n    return cache.seen_tokens"),
        _facts("n = statistics.seen_tokens"),
        _facts("size = cache.get_max_length()\nroom = size - n", "5.23.0"),
    ],
    fails=[
        _facts("n = past_key_values.seen_tokens"),
        _facts("kv += past_key_value.get_usable_length(n, 0)", "4.47.1"),
        _facts("from transformers import DynamicCache as D\npast = D.from_legacy_cache(past)"),
        _facts("limit = past_key_values.get_max_length()\nif limit is not None: pass", "5.23.0"),
    ],
)
def removed_attribute(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find uses of the names above on what is called, or imported as, such an object."""
    release = facts.transformers
    judged = release.major, release.minor
    defined = {function.name for function in code.nodes(ast.FunctionDef)}
    for node in code.nodes(ast.Attribute):
        gone = NAMES.get(node.attr)
        if gone is None or not _is_use(code, node, gone, defined):
            continue
        if (answer := _judge(code, node, Life(gone.releases), judged, str(release))) is not None:
            message, severity = answer
            remedy = Remedy("advice", f"use {gone.instead}")
            yield Finding(message, remedy, code.location(node), f"attribute:{node.attr}", severity=severity)


def _is_use(code: Code, node: ast.Attribute, gone: Gone, defined: set[str]) -> bool:
    if gone.receiver is OWN:
        if node.attr in defined or not re.search(OWN, ast.unparse(node.value)):
            return False
    elif not _is_receiver(code, node.value, gone.receiver):
        return False
    return not (code.ours(node) or code.guarded(node, "AttributeError") or code.tested(node, node.attr))


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
