"""Which class of transformers a class of the file is, as far as the file and those beside it tell."""

from __future__ import annotations

import ast
import re

from doctor.code import Code
from doctor.model import Facts
from doctor.remembered import remembered

KINDS = {
    "PreTrainedModel": "PreTrainedModel",
    "PretrainedConfig": "PretrainedConfig",
    "PreTrainedConfig": "PretrainedConfig",
    "Cache": "Cache",
    "DynamicCache": "DynamicCache",
    "StaticCache": "StaticCache",
    "PreTrainedTokenizerBase": "PreTrainedTokenizerBase",
    "PreTrainedTokenizer": "PreTrainedTokenizer",
    "PreTrainedTokenizerFast": "PreTrainedTokenizerFast",
    "ProcessorMixin": "ProcessorMixin",
    "BaseImageProcessor": "BaseImageProcessor",
    "SequenceFeatureExtractor": "SequenceFeatureExtractor",
    "FeatureExtractionMixin": "FeatureExtractionMixin",
}
"""A base class, and the row of members.json that holds what it lost."""
FAMILY = {
    "GenerationMixin": "PreTrainedModel",
    "PreTrainedTokenizer": "PreTrainedTokenizerBase",
    "PreTrainedTokenizerFast": "PreTrainedTokenizerBase",
}
"""The row whose callers hand arguments to overrides of a class."""


def kind(code: Code, name: str) -> str | None:
    """The row of members.json for a class of the file, None where it is no subclass of a known class."""
    known = _kinds(code)
    if name not in known:
        known[name] = _kind(code, name)
    return known[name]


@remembered(1)
def _kinds(code: Code) -> dict[str, str | None]:
    """What is known of the classes of one file, filled as they are asked for."""
    return {}


def _kind(code: Code, name: str) -> str | None:
    bases = [base for base in code.classes.lineage(name) if base != name]
    found = next((KINDS[base] for base in bases if base in KINDS), None)
    if found is None and any(re.search(r"(?<!TF)(?<!Flax)PreTrainedModel$", base) for base in bases):
        found = "PreTrainedModel"  # the library's own LlamaPreTrainedModel and the like
    if found is None and any(_is_library_tokenizer(code, base) for base in bases):
        found = "PreTrainedTokenizerBase"  # LlamaTokenizerFast and the like
    if found == "PreTrainedModel" and any(base.endswith("GenerationMixin") for base in bases):
        return "GenerationMixin"
    return found


def _is_library_tokenizer(code: Code, base: str) -> bool:
    return re.search(r"\wTokenizer(Fast)?$", base) is not None and code.imports.get(base, "").startswith(
        "transformers."
    )


def makes(code: Code, facts: Facts, name: str) -> bool:
    """Whether the file, or one beside it, defines or assigns a member of this name anywhere."""
    if name in _made(code):
        return True
    beside = [source for source in facts.beside(code.source) if source.path != code.source.path]
    if not beside:
        return False
    written = rf"def {name}\b|\b(?:self|cls)\.{name}\s*(?::[^=\n]+)?=(?!=)|(?m:^[ \t]+{name}\s*(?::[^=\n]+)?=(?!=))"
    return any(re.search(written, source.text or "") for source in beside)


@remembered(1)
def _made(code: Code) -> frozenset[str]:
    stores = ast.Store  # compared by identity, for there are thousands
    methods = {function.name for function in code.every(ast.FunctionDef)}
    stored = {node.attr for node in code.every(ast.Attribute) if node.ctx.__class__ is stores}
    named = {node.id for node in code.every(ast.Name) if node.ctx.__class__ is stores}
    return frozenset(methods | stored | named)
