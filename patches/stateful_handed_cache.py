"""A model that keeps states of its own is handed a `DynamicCache`.

Up to transformers 5.4 `generate` made no cache for a class with `_is_stateful = True`: Mamba's kind makes its own, and
Gemma2's first files count on one with a limit.  From 5.5 on it makes one for them: `AttributeError: 'DynamicCache'
object has no attribute 'ssm_states'`.  `_supports_default_dynamic_cache`, which `generate` asks, now answers as it did.

Reference: https://github.com/huggingface/transformers/pull/44950
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.patch import Example, File, Patch, parsed, with_method

FLAG, ASKED = "_is_stateful", "_supports_default_dynamic_cache"
METHOD = f"""@classmethod
def {ASKED}(cls):
    return False
"""
BEFORE = "class P(PreTrainedModel):\n    config_class = C\n    _is_stateful = True\n"
ADDED = f"\n    @classmethod\n    def {ASKED}(cls):\n        return False\n"


class StatefulHandedCache(Patch):
    old, new = "transformers<5.5", "transformers>=4.36"
    needles = (b"_is_stateful = True",)
    examples = [
        Example(BEFORE, BEFORE + ADDED),
        Example(BEFORE + "    _supports_cache_class = True\n", keeps="it takes the library's caches"),
        Example(BEFORE + f"\n    def {ASKED}(self):\n        return True\n", keeps="it answers itself"),
        Example(BEFORE.replace("True", "False"), keeps="no states of its own"),
        Example(
            BEFORE.replace("config_class = C", "config: C"), keeps="written for transformers 5, whose cache has states"
        ),
    ]

    proof = """
from scenery import Tiny, TinyConfig

class M(Tiny):
    config_class = TinyConfig
    _is_stateful = True

    def forward(self, input_ids, past_key_values=None, attention_mask=None, **kwargs):
        assert past_key_values is None, "the model keeps its states itself"
        return self.answer(input_ids)

assert M(TinyConfig()).says() == [3, 3, 3]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        nodes = [node for node in parsed(file.text).body if isinstance(node, ast.ClassDef)]
        self.stateful = {node.name for node in nodes if _stateful(node)}

    def reaches(self, name: str, text: str) -> bool:
        return name in self.stateful

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = updated_node.body
        if self.file.scope or updated_node.name.value not in self.stateful or not isinstance(body, cst.IndentedBlock):
            return updated_node
        return with_method(updated_node, METHOD)


def _stateful(node: ast.ClassDef) -> bool:
    """Whether a class says that it keeps states of its own, and takes no cache of the library's."""
    flags = {ast.unparse(part) for part in node.body if isinstance(part, ast.Assign)}
    older = any(flag.startswith("config_class = ") for flag in flags)
    answers = any(isinstance(part, ast.FunctionDef) and part.name == ASKED for part in node.body)
    return older and f"{FLAG} = True" in flags and "_supports_cache_class = True" not in flags and not answers
