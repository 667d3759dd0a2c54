"""A model chooses eager attention by `_check_and_enable_sdpa`, which newer releases do not call.

Gemma2 and its like switch SDPA off where nobody asked for it, because it leaves the soft cap of the logits out.  From
transformers 4.54 on the hook is dead, SDPA is taken, and the logits are a little wrong without an error.
`get_correct_attn_implementation`, which those releases ask instead, now answers as the hook did.

Reference: https://github.com/huggingface/transformers/pull/38974
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.patch import Example, File, Patch, parsed, with_method

HOOK, ASKED = "_check_and_enable_sdpa", "get_correct_attn_implementation"
METHOD = f"""def {ASKED}(self, requested_attention, is_init_check=False):
    chosen = super().{ASKED}(requested_attention, is_init_check)
    return "eager" if requested_attention is None and chosen == "sdpa" else chosen
"""
BEFORE = """class P(PreTrainedModel):
    @classmethod
    def _check_and_enable_sdpa(cls, config, hard_check_only=False):
        if not hard_check_only and config._attn_implementation == "sdpa":
            config._attn_implementation = "eager"
        return config
"""
ADDED = """
    def get_correct_attn_implementation(self, requested_attention, is_init_check=False):
        chosen = super().get_correct_attn_implementation(requested_attention, is_init_check)
        return "eager" if requested_attention is None and chosen == "sdpa" else chosen
"""


class EagerDefaultOverride(Patch):
    old, new = "transformers<4.54", "transformers>=4.36"
    needles = (b"def _check_and_enable_sdpa",)
    mends = ("attribute:_check_and_enable_sdpa",)
    examples = [
        Example(BEFORE, BEFORE + ADDED),
        Example(BEFORE + ADDED, keeps="both are answered"),
        Example(BEFORE.replace('"eager"', '"sdpa"'), keeps="SDPA is the newer releases' choice as well"),
        Example(BEFORE.replace(HOOK, "_check"), keeps="another method"),
    ]

    proof = """
from scenery import Tiny, TinyConfig

class M(Tiny):
    _supports_sdpa = True

    @classmethod
    def _check_and_enable_sdpa(cls, config, hard_check_only=False):
        config = super()._check_and_enable_sdpa(config, hard_check_only=hard_check_only)
        if not hard_check_only and config._attn_implementation == "sdpa":
            config._attn_implementation = "eager"
        return config

assert M._from_config(TinyConfig()).config._attn_implementation == "eager"
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        nodes = [node for node in parsed(file.text).body if isinstance(node, ast.ClassDef)]
        self.eager = {node.name for node in nodes if _prefers_eager(node)}

    def reaches(self, name: str, text: str) -> bool:
        return name in self.eager

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = updated_node.body
        if self.file.scope or updated_node.name.value not in self.eager or not isinstance(body, cst.IndentedBlock):
            return updated_node
        return with_method(updated_node, METHOD)


def _prefers_eager(node: ast.ClassDef) -> bool:
    """Whether the class's hook sets the attention to eager, and nothing answers newer releases."""
    methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    hooks = [methods[HOOK]] if HOOK in methods and ASKED not in methods else []
    assigned = [part for hook in hooks for part in ast.walk(hook) if isinstance(part, ast.Assign)]
    return any(isinstance(part.value, ast.Constant) and part.value.value == "eager" for part in assigned)
