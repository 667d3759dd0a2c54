"""A tokenizer leaves it to the library which special tokens stand around a text.

In transformers 4 the library's answer was none, and so it is from 5.2 on; 5.0 and 5.1 put `cls_token` and `sep_token`
around it, which such tokenizers have not: `ValueError: type of None unknown` at the first text, or a
`special_tokens_mask` that is two too long.  The two methods that say so are written into the class where they are not
there.

Reference: https://github.com/huggingface/transformers/blob/v5.1.0/src/transformers/tokenization_python.py
"""

from __future__ import annotations

import libcst as cst

from doctor.classes import Classes
from doctor.patch import Example, File, Patch, with_method
from doctor.tokenizer_classes import unsaid_specials

METHODS = {
    "build_inputs_with_special_tokens": """def build_inputs_with_special_tokens(self, token_ids_0, token_ids_1=None):
    return token_ids_0 if token_ids_1 is None else token_ids_0 + token_ids_1
""",
    "get_special_tokens_mask": """def get_special_tokens_mask(
    self, token_ids_0, token_ids_1=None, already_has_special_tokens=False
):
    if already_has_special_tokens:
        return super().get_special_tokens_mask(token_ids_0, token_ids_1, already_has_special_tokens=True)
    return [0] * len(token_ids_0 if token_ids_1 is None else token_ids_0 + token_ids_1)
""",
}
TOKENIZER = """class T(PreTrainedTokenizer):
    def _tokenize(self, text):
        return text.split()
"""


def _indented(name: str) -> str:
    return "\n" + "".join(f"    {line}\n" for line in METHODS[name].splitlines())


BUILDS, MASKS = (_indented(name) for name in METHODS)


class SpecialTokensUndefined(Patch):
    old, new = "transformers!=5.0.*,!=5.1.*", "transformers>=4.36"
    needles = (b"PreTrainedTokenizer",)
    examples = [
        Example(TOKENIZER, TOKENIZER + BUILDS + MASKS),
        Example(TOKENIZER + MASKS, TOKENIZER + MASKS + BUILDS),
        Example(TOKENIZER + BUILDS, TOKENIZER + BUILDS + MASKS),
        Example(TOKENIZER + BUILDS + MASKS, keeps="it says itself what stands around a text"),
        Example(
            TOKENIZER.replace("PreTrainedTokenizer", "PreTrainedTokenizerFast"), keeps="its tokenizer.json says it"
        ),
        Example(TOKENIZER.replace("PreTrainedTokenizer", "BertTokenizer"), keeps="the class it derives from says it"),
        Example("from transformers import PreTrainedTokenizer\n", keeps="no tokenizer of its own"),
    ]
    proof = """
from transformers import PreTrainedTokenizer

class T(PreTrainedTokenizer):
    @property
    def vocab_size(self):
        return 4

    def get_vocab(self):
        return {"?": 0, ".": 1, "a": 2, "b": 3}

    def _tokenize(self, text):
        return text.split()

    def _convert_token_to_id(self, token):
        return self.get_vocab().get(token, 0)

tokenizer = T(unk_token="?")
given = tokenizer("a b", "b", return_special_tokens_mask=True)
assert given["input_ids"] == [2, 3, 3] and given["special_tokens_mask"] == [0, 0, 0]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        name = updated_node.name.value
        if self.file.scope or not isinstance(updated_node.body, cst.IndentedBlock):
            return updated_node
        for method in unsaid_specials(self.classes, name):
            updated_node = with_method(updated_node, METHODS[method])
        return updated_node
