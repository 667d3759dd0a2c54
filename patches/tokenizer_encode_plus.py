"""tokenizer.encode_plus(...) and batch_encode_plus(...) became tokenizer(...).

transformers 5.0 removed both: `AttributeError: LlamaTokenizer has no attribute encode_plus`.  Calling the tokenizer
takes the same keywords and gives the same on every release.  A tokenizer that calls them on itself may hand over token
ids, which only 5.0 and later take in a call: there the method is called where the release has it.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import re

import libcst as cst

from doctor.argument_patch import dotted
from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.tokenizer_classes import is_tokenizer

POSITIONS = {"encode_plus": 2, "batch_encode_plus": 1}
"""How many positional arguments mean the same in a call of the tokenizer."""
TOKENIZER = re.compile(r"(?i)tok(eni[sz]er)?(_\w+)?$")
OWN = "class T(PreTrainedTokenizer):\n    def call(self, ids):\n        return {}\n"


class TokenizerEncodePlus(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"encode_plus",)
    mends = ("attribute:encode_plus", "attribute:batch_encode_plus")
    helpers = {
        f"_doctor_{name}": f"""
def _doctor_{name}(tokenizer, *args, **kwargs):
    encode = getattr(tokenizer, "{name}", tokenizer)
    return encode(*args, **kwargs)
"""
        for name in POSITIONS
    }
    examples = [
        Example("ids = tokenizer.encode_plus(text, max_length=8)", "ids = tokenizer(text, max_length=8)"),
        Example(
            "ids = self.tok.batch_encode_plus(batch_text_or_text_pairs=texts, padding=True)",
            "ids = self.tok(text=texts, padding=True)",
        ),
        Example("ids = tokenizer.batch_encode_plus(texts, True)", keeps="its second argument means another thing"),
        Example("ids = index.encode_plus(text)", keeps="no tokenizer"),
        Example("encode = tokenizer.encode_plus", keeps="a method that is not called here"),
        Example(
            OWN.format("self.batch_encode_plus([ids], is_split_into_words=True)"),
            OWN.format("_doctor_batch_encode_plus(self, [ids], is_split_into_words=True)"),
        ),
        Example(OWN.format("self.encode_plus(ids)").replace("PreTrainedTokenizer", "Words"), keeps="no tokenizer"),
        Example(OWN.format("self.encode_plus(ids)") + "    encode_plus = call\n", keeps="a method of its own"),
    ]
    proof = """
from scenery import words

tokenizer = words()
assert tokenizer.encode_plus("a b")["input_ids"] == [2, 3]
assert tokenizer.batch_encode_plus(["a", "b"])["input_ids"] == [[2], [3]]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def _is_own(self, receiver: str, name: str) -> bool:
        """Whether a tokenizer of the file calls a method of the library on itself."""
        around = self.file.classes[0].name.value if self.file.classes else ""
        if receiver != "self" or around not in self.classes.nodes or not is_tokenizer(self.classes, around):
            return False
        return not self.classes.method(around, name) and not self.classes.assigns(around, name)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        func = updated_node.func
        if not isinstance(func, cst.Attribute) or func.attr.value not in POSITIONS:
            return updated_node
        receiver = dotted(original_node.func)  # as the script names it: another patch may have renamed it
        receiver = receiver.rpartition(".")[0] if receiver else None
        plain = [arg for arg in updated_node.args if arg.keyword is None and arg.star == ""]
        if (
            receiver is None
            or not (TOKENIZER.search(receiver) or self._is_own(receiver, func.attr.value))
            or len(plain) > POSITIONS[func.attr.value]
        ):
            return updated_node
        if self._is_own(receiver, func.attr.value):
            own = cst.Arg(func.value, comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
            helper = self.helper(f"_doctor_{func.attr.value}")
            return updated_node.with_changes(func=helper, args=[own, *updated_node.args])
        args = [
            arg.with_changes(keyword=cst.Name("text"))
            if arg.keyword and arg.keyword.value == "batch_text_or_text_pairs"
            else arg
            for arg in updated_node.args
        ]
        return updated_node.with_changes(func=func.value, args=args)
