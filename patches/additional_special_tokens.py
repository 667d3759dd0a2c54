"""tokenizer.additional_special_tokens became tokenizer.extra_special_tokens.

transformers 5.0 renamed it: `AttributeError: LlamaTokenizer has no attribute additional_special_tokens`.  In 4.x the
new name is something else, a dictionary, so the old one is asked for first.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import re

import libcst as cst

from doctor.argument_patch import dotted
from doctor.patch import Example, File, Patch

OLD, IDS = "additional_special_tokens", "additional_special_tokens_ids"
TOKENIZER = re.compile(r"(?i)tok(eni[sz]er)?(_\w+)?$")


class AdditionalSpecialTokens(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (f".{OLD}".encode(),)
    mends = (f"attribute:{OLD}", f"attribute:{IDS}")
    helpers = {
        "_doctor_special_tokens": """
def _doctor_special_tokens(tokenizer):
    known = getattr(tokenizer, "additional_special_tokens", None)
    return list(tokenizer.extra_special_tokens) if known is None else known
"""
    }
    examples = [
        Example("n = len(tokenizer.additional_special_tokens)", "n = len(_doctor_special_tokens(tokenizer))"),
        Example(
            "ids = self.tok.additional_special_tokens_ids",
            "ids = self.tok.convert_tokens_to_ids(_doctor_special_tokens(self.tok))",
        ),
        Example("tokenizer.additional_special_tokens = ['<a>']", keeps="an assignment"),
        Example("print(config.additional_special_tokens)", keeps="no tokenizer"),
    ]
    proof = """
from scenery import words

tokenizer = words()
tokenizer.add_special_tokens({"additional_special_tokens": ["c"]})
assert tokenizer.additional_special_tokens == ["c"] and tokenizer.additional_special_tokens_ids == [4]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.targets: set[int] = set()

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self.targets.add(id(node.target))

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        name, owner = updated_node.attr.value, dotted(original_node.value)
        if name not in (OLD, IDS) or id(original_node) in self.targets or not owner or not TOKENIZER.search(owner):
            return updated_node
        tokens = cst.Call(self.helper("_doctor_special_tokens"), [cst.Arg(updated_node.value)])
        if name == OLD:
            return tokens
        return cst.Call(cst.Attribute(updated_node.value, cst.Name("convert_tokens_to_ids")), [cst.Arg(tokens)])
