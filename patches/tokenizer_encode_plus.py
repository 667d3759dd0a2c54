"""tokenizer.encode_plus(...) and batch_encode_plus(...) became tokenizer(...).

transformers 5.0 removed both: `AttributeError: LlamaTokenizer has no attribute encode_plus`.  Calling the tokenizer
takes the same keywords and gives the same on every release.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import re

import libcst as cst

from doctor.argument_patch import dotted
from doctor.patch import Example, Patch

POSITIONS = {"encode_plus": 2, "batch_encode_plus": 1}
"""How many positional arguments mean the same in a call of the tokenizer."""
TOKENIZER = re.compile(r"(?i)tok(eni[sz]er)?(_\w+)?$")


class TokenizerEncodePlus(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"encode_plus",)
    mends = ("attribute:encode_plus", "attribute:batch_encode_plus")
    examples = [
        Example("ids = tokenizer.encode_plus(text, max_length=8)", "ids = tokenizer(text, max_length=8)"),
        Example(
            "ids = self.tok.batch_encode_plus(batch_text_or_text_pairs=texts, padding=True)",
            "ids = self.tok(text=texts, padding=True)",
        ),
        Example("ids = tokenizer.batch_encode_plus(texts, True)", keeps="its second argument means another thing"),
        Example("ids = index.encode_plus(text)", keeps="no tokenizer"),
        Example("encode = tokenizer.encode_plus", keeps="a method that is not called here"),
    ]
    proof = """
from scenery import words

tokenizer = words()
assert tokenizer.encode_plus("a b")["input_ids"] == [2, 3]
assert tokenizer.batch_encode_plus(["a", "b"])["input_ids"] == [[2], [3]]
"""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        func = updated_node.func
        if not isinstance(func, cst.Attribute) or func.attr.value not in POSITIONS:
            return updated_node
        receiver = dotted(original_node.func)  # as the script names it: another patch may have renamed it
        receiver = receiver.rpartition(".")[0] if receiver else None
        plain = [arg for arg in updated_node.args if arg.keyword is None and arg.star == ""]
        if receiver is None or not TOKENIZER.search(receiver) or len(plain) > POSITIONS[func.attr.value]:
            return updated_node
        args = [
            arg.with_changes(keyword=cst.Name("text"))
            if arg.keyword and arg.keyword.value == "batch_text_or_text_pairs"
            else arg
            for arg in updated_node.args
        ]
        return updated_node.with_changes(func=func.value, args=args)
