"""What the classes that remote code inherits from had in each release, what functions took, what overrides are handed.

All three tables hold only what changed: a name that left a class, a parameter that left a function, an argument that
the library began to hand to a method that models and tokenizers override.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Protocol

from outline import Class, Outline

ROOTS = {
    "PreTrainedModel": ("modeling_utils",),
    "GenerationMixin": ("generation.utils", "generation_utils"),
    "PretrainedConfig": ("configuration_utils",),
    "Cache": ("cache_utils",),
    "DynamicCache": ("cache_utils",),
    "StaticCache": ("cache_utils",),
    "PreTrainedTokenizerBase": ("tokenization_utils_base",),
    "PreTrainedTokenizer": ("tokenization_utils", "tokenization_python"),
    "PreTrainedTokenizerFast": ("tokenization_utils_fast", "tokenization_utils_tokenizers"),
    "ProcessorMixin": ("processing_utils",),
    "FeatureExtractionMixin": ("feature_extraction_utils",),
    "SequenceFeatureExtractor": ("feature_extraction_sequence_utils",),
    "ImageProcessingMixin": ("image_processing_base",),
    "BaseImageProcessor": ("image_processing_utils",),
    "AttentionMaskConverter": ("modeling_attn_mask_utils",),
    "LogitsProcessor": ("generation.logits_process",),
    "StoppingCriteria": ("generation.stopping_criteria",),
}
"""Class to the modules that have had it."""
BESIDE = {"GenerationMixin": "PreTrainedModel"}
"""A mixin, and the class beside which it is looked up: what either has is there."""
CORE = (
    *("modeling_rope_utils", "modeling_flash_attention_utils", "masking_utils", "pytorch_utils", "modeling_layers"),
    *("modeling_outputs", "activations", "utils.generic", "utils.import_utils", "image_utils", "image_transforms"),
    *(module for modules in ROOTS.values() for module in modules),
)
CALLERS = {
    "PreTrainedModel": ("modeling_utils", "generation.utils", "core_model_loading", "trainer", "integrations.peft"),
    "PreTrainedTokenizerBase": (
        *("tokenization_utils_base", "tokenization_utils", "tokenization_utils_fast", "tokenization_python"),
        *("tokenization_utils_tokenizers",),
    ),
    "PretrainedConfig": ("configuration_utils",),
    "ProcessorMixin": ("processing_utils",),
    "BaseImageProcessor": ("image_processing_utils", "image_processing_base"),
}
"""Class to the modules that call what its subclasses override."""
RECEIVERS = (
    "self",
    "cls",
    "model",
    "model_to_load",
    "self.model",
    "base_model",
    "unwrapped_model",
    "tokenizer",
    "config",
)
# fmt: off
TORCH = frozenset({
    "add_module", "apply", "bfloat16", "buffers", "children", "compile", "cpu", "cuda", "double", "eval",
    "extra_repr", "float", "forward", "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half",
    "load_state_dict", "modules", "named_buffers", "named_children", "named_modules", "named_parameters", "parameters",
    "register_buffer", "register_forward_hook", "register_module", "register_parameter", "requires_grad_",
    "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train", "training", "type", "zero_grad",
    "_apply", "_load_from_state_dict", "_save_to_state_dict", "_modules", "_parameters", "_buffers", "_version",
})
# fmt: on
"""What a model has from torch.nn.Module, whether or not transformers defines it as well."""
Rows = dict[str, dict[str, str]]


# fmt: off
FAMILIES = frozenset({
    "bert", "bloom", "clip", "cohere", "falcon", "gemma", "gemma2", "gpt2", "gpt_neox", "gptj", "internvl", "llama",
    "llava", "mistral", "mixtral", "olmo", "opt", "phi", "phi3", "phimoe", "qwen2", "qwen2_moe", "qwen2_vl",
    "qwen2_5_vl", "qwen3", "qwen3_moe", "roberta", "siglip", "stablelm", "starcoder2", "t5", "whisper",
})
# fmt: on
"""Model families whose functions and classes remote code calls."""


def signed(module: str) -> bool:
    """Whether the parameters of what a model's module defines are tabled."""
    found = re.fullmatch(r"transformers\.models\.(\w+)\.modeling_(?!tf_|flax_)\w+", module)
    return found is not None and found[1] in FAMILIES


class Release(Protocol):
    """A wheel, as tools/releases.py reads it."""

    minor: str
    modules: Mapping[str, str]

    def outline(self, module: str) -> Outline: ...
    def package(self, module: str) -> str: ...


def spans(releases: Iterable[Release], there: Iterable[bool]) -> str:
    """The minor releases that have something, as `-4.53 5.13-`."""
    found: list[list[str]] = []
    known, before = list(releases), False
    for release, now in zip(known, there, strict=True):
        if now and before:
            found[-1][1] = release.minor
        elif now:
            found.append([release.minor, release.minor])
        before = now
    if found and found[0][0] == known[0].minor:
        found[0][0] = ""
    if found and found[-1][1] == known[-1].minor:
        found[-1][1] = ""
    return " ".join("-".join(span) for span in found)


def members(releases: list[Release]) -> Rows:
    """Class -> the minors -> members that only these have."""
    found: Rows = {}
    for name in ROOTS:
        has = [_members(release, name) for release in releases]
        if (beside := BESIDE.get(name)) is not None:
            either = ((mine, _members(release, beside)) for mine, release in zip(has, releases, strict=True))
            has = [None if mine is None or theirs is None else mine | theirs for mine, theirs in either]
        rows: dict[str, list[str]] = defaultdict(list)
        for member in set().union(*(names for names in has if names)):
            there = [names is None or member in names for names in has]
            left = any(before and not after for before, after in pairwise(there))
            if left and not member.startswith("__") and member not in TORCH:
                rows[spans(releases, there)].append(member)
        found[name] = {span: " ".join(sorted(rows[span])) for span in sorted(rows)}
    return found


def _members(release: Release, name: str) -> set[str] | None:
    """Everything that a class has, from its bases too; None where the release has no such class."""
    where = next((at for module in ROOTS[name] if (at := find(release, f"transformers.{module}", name))), None)
    if where is None:
        return None
    return {member for _, part in lineage(release, *where) for member in part.members}


def find(release: Release, module: str, name: str, depth: int = 6) -> tuple[str, str] | None:
    """The module and the name under which a class is defined, through imports and other names."""
    if module not in release.modules or not depth:
        return None
    held = release.outline(module)
    if name in held.classes:
        return module, name
    if name in held.aliases and held.aliases[name] != name:
        return find(release, module, held.aliases[name], depth - 1)
    if name in held.origins:
        level, origin, original = held.origins[name]
        if level:
            parent = release.package(module).split(".")
            origin = ".".join([*parent[: len(parent) - level + 1], *([origin] if origin else [])])
        return find(release, origin, original, depth - 1)
    return None


def lineage(release: Release, module: str, name: str) -> Iterator[tuple[str, Class]]:
    """A class and those it derives from within the release, nearest first."""
    held = release.outline(module).classes[name]
    yield module, held
    for base in held.bases:
        at = find(release, module, base.rpartition(".")[2])
        if at is not None and at != (module, name):
            yield from lineage(release, *at)


def signatures(releases: list[Release]) -> Rows:
    """Function, class or method -> the minors -> its parameters, of those that lost one."""
    taken: dict[str, list[str | None]] = defaultdict(lambda: [None] * len(releases))
    for index, release in enumerate(releases):
        for name, words in _callables(release):
            taken[name][index] = words
    found: Rows = {}
    for name, row in sorted(taken.items()):
        known = [(release, words) for release, words in zip(releases, row, strict=True) if words is not None]
        if not known[0][0].minor.startswith("4.") or not any(_loses(a[1], b[1]) for a, b in pairwise(known)):
            continue
        variants = dict.fromkeys(words for _, words in known)
        found[name] = {spans(releases, [w == words for w in row]): words for words in variants}
    return found


def _callables(release: Release) -> Iterator[tuple[str, str]]:
    for module in release.modules:
        model = signed(module)
        if not model and module.removeprefix("transformers.") not in CORE:
            continue
        held = release.outline(module)
        yield from ((f"{module}.{name}", words) for name, words in held.functions.items() if not name.startswith("__"))
        for name in held.classes:
            parts = [part for _, part in lineage(release, module, name)]
            made = next((part.methods["__init__"] for part in parts if "__init__" in part.methods), None)
            if made is not None:
                yield f"{module}.{name}", made
            if not model:
                own = {m: words for part in reversed(parts) for m, words in part.methods.items()}
                yield from ((f"{module}.{name}.{m}", words) for m, words in own.items() if not m.startswith("__"))


def _loses(before: str, after: str) -> bool:
    """Whether a call that the first takes may be refused by the second."""
    old, new = before.split(), after.split()
    names = {word.strip(":=") for word in new}
    if "**" not in new and any(word.strip(":=") not in names for word in old if word not in ("*", "**")):
        return True
    return "*" not in new and _positional(old) > _positional(new)


def _positional(words: list[str]) -> int:
    return sum(word[0] not in ":*" for word in words)


def handed(releases: list[Release]) -> Rows:
    """Class -> method -> what the library hands to an override, where that grew: `-4.51=2 5.0-=1 missing_keys`."""
    found: Rows = {}
    for name, modules in CALLERS.items():
        calls = [_calls(release, name, modules) for release in releases]
        methods: dict[str, str] = {}
        for method in sorted(set().union(*calls)):
            row = [call.get(method) for call in calls]
            known = [words for words in row if words is not None]
            if any(_grew(before, after) for before, after in pairwise(known)):
                variants = dict.fromkeys(known)
                cells = (f"{spans(releases, [w == words for w in row])}={words}" for words in variants)
                methods[method] = "; ".join(cells)
        found[name] = methods
    return found


def _calls(release: Release, name: str, modules: Iterable[str]) -> dict[str, str]:
    """Method -> the most positional arguments, and all names, with which these modules call it."""
    kinds = [name, "GenerationMixin"] if name == "PreTrainedModel" else [name]
    overridable: dict[str, str] = {}
    for kind in kinds:
        where = next((at for m in ROOTS[kind] if (at := find(release, f"transformers.{m}", kind))), None)
        for _, part in lineage(release, *where) if where else ():
            overridable |= part.methods
    most: dict[str, int] = defaultdict(int)
    names: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        full = f"transformers.{module}"
        for receiver, method, words in release.outline(full).handed if full in release.modules else ():
            if receiver in RECEIVERS and method in overridable and not method.startswith("__"):
                count, *keywords = words.split()
                most[method] = max(most[method], int(count))
                names[method] |= {*keywords}
    return {method: " ".join([str(most[method]), *sorted(names[method])]) for method in most}


def _grew(before: str, after: str) -> bool:
    old, new = before.split(), after.split()
    return int(new[0]) > int(old[0]) or not {*new[1:]} <= {*old[1:]}
