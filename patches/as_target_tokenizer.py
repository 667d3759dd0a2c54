"""`with tokenizer.as_target_tokenizer():` became `tokenizer(text_target=...)`.

transformers 5.0 removed the context: `AttributeError: T5Tokenizer has no attribute as_target_tokenizer`.  The call
inside says itself that its text is the target, which every release from 4.22 on takes.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

from typing import Any

import libcst as cst
import libcst.matchers as m

from doctor.argument_patch import dotted
from doctor.patch import Example, Patch

WITH = "with tokenizer.as_target_tokenizer():\n"


class AsTargetTokenizer(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"as_target_tokenizer",)
    mends = ("attribute:as_target_tokenizer",)
    examples = [
        Example(
            f"{WITH}    labels = tokenizer(targets, max_length=8)",
            "labels = tokenizer(text_target=targets, max_length=8)",
        ),
        Example(
            f"def f(rows):\n    # answers\n    {WITH}        labels = tokenizer(text=rows)\n    return labels",
            "def f(rows):\n    # answers\n    labels = tokenizer(text_target=rows)\n    return labels",
        ),
        Example(f"{WITH}    labels = encode(targets)", keeps="the tokenizer is called elsewhere"),
        Example("labels = tokenizer(text_target=targets)", keeps="the new form"),
    ]
    proof = """
from scenery import words

tokenizer = words()
with tokenizer.as_target_tokenizer():
    labels = tokenizer(["a b"])
assert (labels.get("labels") or labels["input_ids"]) == [[2, 3]]
"""

    def leave_With(
        self, original_node: cst.With, updated_node: cst.With
    ) -> cst.With | cst.FlattenSentinel[cst.BaseStatement]:
        item = updated_node.items[0].item
        entered = m.Call(m.Attribute(attr=m.Name("as_target_tokenizer")), [])
        if len(updated_node.items) != 1 or not m.matches(item, entered):
            return updated_node
        owner = dotted(cst.ensure_type(cst.ensure_type(item, cst.Call).func, cst.Attribute).value) or ""
        aimed = _Aimed(owner)
        body = updated_node.body.visit(aimed)
        if not aimed.count or not isinstance(body, cst.IndentedBlock):
            return updated_node
        first: Any = body.body[0]
        first = first.with_changes(leading_lines=[*updated_node.leading_lines, *first.leading_lines])
        return cst.FlattenSentinel([first, *body.body[1:]])


class _Aimed(cst.CSTTransformer):
    """Calls of one tokenizer, their text as the target."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner, self.count = owner, 0

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if dotted(updated_node.func) != self.owner or not updated_node.args:
            return updated_node
        first = updated_node.args[0]
        if first.star or (first.keyword and first.keyword.value != "text"):
            return updated_node
        self.count += 1
        equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
        aimed = first.with_changes(keyword=cst.Name("text_target"), equal=equal)
        return updated_node.with_changes(args=[aimed, *updated_node.args[1:]])
