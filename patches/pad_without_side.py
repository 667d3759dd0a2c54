"""A tokenizer pads in a `_pad` or `pad` of its own, which takes no `padding_side`.

From 4.45 on the library calls both with `padding_side=`: `TypeError: _pad() got an unexpected keyword argument
'padding_side'` at the first text that is encoded.  Such a method asks `self.padding_side`, so that is where it finds
the side while it runs, when one is given; what it takes and gives is as it was.

Reference: https://github.com/zai-org/ChatGLM3/issues/1324
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.tokenizer_classes import is_tokenizer

NAMES = ("_pad", "pad")
POSITIONS = 4
"""How many positional arguments of `_pad` mean the same on every release."""
UP = m.Call(func=m.Attribute(value=m.Call(func=m.Name("super")), attr=m.Name("_pad")))
PAD = """class T(PreTrainedTokenizer):
    def {0}(self, encoded_inputs, max_length=None, return_attention_mask=None):
        return encoded_inputs
"""


class PadWithoutSide(Patch):
    old, new = "transformers<4.45", "transformers>=4.36"
    needles = tuple(f"def {name}(".encode() for name in NAMES)
    mends = tuple(f"override:{name}" for name in NAMES)
    helpers = {
        "_doctor_padding_side": '''
def _doctor_padding_side(pad):
    """A method of a tokenizer that pads on `self.padding_side`, with the argument that later releases hand over."""

    def padded(self, *args, padding_side=None, **kwargs):
        usual = self.padding_side
        self.padding_side = padding_side or usual
        try:
            return pad(self, *args, **kwargs)
        finally:
            self.padding_side = usual

    return padded
'''
    }
    examples = [
        Example(PAD.format("_pad"), PAD.format("_pad").replace("    def", "    @_doctor_padding_side\n    def")),
        Example(PAD.format("pad"), PAD.format("pad").replace("    def", "    @_doctor_padding_side\n    def")),
        Example(
            PAD.format("_pad").replace("encoded_inputs\n", "super()._pad(encoded_inputs, 9, strategy, 8, mask)\n"),
            PAD.format("_pad")
            .replace("    def", "    @_doctor_padding_side\n    def")
            .replace("encoded_inputs\n", "super()._pad(encoded_inputs, 9, strategy, 8, return_attention_mask=mask)\n"),
        ),
        Example(PAD.format("_pad").replace("):\n", ", padding_side=None):\n"), keeps="it takes the side"),
        Example(PAD.format("_pad").replace("):\n", ", **kwargs):\n"), keeps="it takes whatever comes"),
        Example(PAD.format("_pad").replace("PreTrainedTokenizer", "Batch"), keeps="not a tokenizer"),
        Example(PAD.format("pad_all"), keeps="nobody else calls it"),
    ]
    proof = """
from transformers import PreTrainedTokenizer

class T(PreTrainedTokenizer):
    model_input_names = ["input_ids", "attention_mask"]

    @property
    def vocab_size(self):
        return 4

    def get_vocab(self):
        return {"?": 0, ".": 1, "a": 2, "b": 3}

    def build_inputs_with_special_tokens(self, ids, pair=None):
        return ids

    def _tokenize(self, text):
        return text.split()

    def _convert_token_to_id(self, token):
        return self.get_vocab().get(token, 0)

    def _pad(self, encoded_inputs, max_length=None, padding_strategy=None, pad_to_multiple_of=None,
             return_attention_mask=None):
        return super()._pad(
            encoded_inputs, max_length=max_length, padding_strategy=padding_strategy,
            pad_to_multiple_of=pad_to_multiple_of, return_attention_mask=return_attention_mask,
        )

tokenizer = T(unk_token="?", pad_token=".", padding_side="left")
assert tokenizer(["a", "a b"], padding=True)["input_ids"] == [[1, 2], [2, 3]]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def _is_ours(self, function: cst.FunctionDef | None) -> bool:
        return (
            function is not None
            and function.name.value in NAMES
            and len(self.file.classes) == 1
            and is_tokenizer(self.classes, self.file.classes[0].name.value)
        )

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        given = updated_node.params
        taken = {parameter.name.value for parameter in (*given.params, *given.kwonly_params)}
        if self.file.function is not None or not self._is_ours(original_node) or given.star_kwarg:
            return updated_node
        if "padding_side" in taken or updated_node.decorators:
            return updated_node
        return updated_node.with_changes(decorators=[cst.Decorator(self.helper("_doctor_padding_side"))])

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        args = updated_node.args
        if not self._is_ours(self.file.function) or not m.matches(updated_node, UP) or len(args) != POSITIONS + 1:
            return updated_node
        if any(arg.keyword is not None or arg.star for arg in args):
            return updated_node
        bare = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
        named = args[-1].with_changes(keyword=cst.Name("return_attention_mask"), equal=bare)
        return updated_node.with_changes(args=[*args[:-1], named])
