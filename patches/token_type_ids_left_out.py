"""A tokenizer leaves it to the library what it returns beside the ids.

In transformers 4 that was `token_type_ids` and the attention mask; from 5.0 on it is the mask alone, and a model that
tells two texts apart by their `token_type_ids` takes both for one, without a word.  The class gets the names of
transformers 4.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst

from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.tokenizer_classes import unsaid_inputs

NAMES = 'model_input_names = ["input_ids", "token_type_ids", "attention_mask"]'
MAKES = "    def create_token_type_ids_from_sequences(self, ids, pair=None):\n        return ids\n"
DOCUMENTED = 'class T(PreTrainedTokenizer):\n    """Words."""\n{}\n' + MAKES
BARE = "class T(PreTrainedTokenizer):\n{}" + MAKES


class TokenTypeIdsLeftOut(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"PreTrainedTokenizer",)
    examples = [
        Example(DOCUMENTED.format(""), DOCUMENTED.format(f"    {NAMES}\n")),
        Example(BARE.format(""), BARE.format(f"    {NAMES}\n")),
        Example(BARE.format('    model_input_names = ["input_ids"]\n'), keeps="it says what it returns"),
        Example(
            BARE.format("").replace("Tokenizer", "TokenizerFast"), keeps="tokenizer.json is read with another class"
        ),
        Example(
            BARE.format("").replace("PreTrainedTokenizer", "LlamaTokenizer"), keeps="its base says what it returns"
        ),
    ]
    proof = """
from transformers import PreTrainedTokenizer

class T(PreTrainedTokenizer):
    @property
    def vocab_size(self):
        return 4

    def get_vocab(self):
        return {"?": 0, ".": 1, "a": 2, "b": 3}

    def build_inputs_with_special_tokens(self, ids, pair=None):
        return ids + (pair or [])

    def _tokenize(self, text):
        return text.split()

    def _convert_token_to_id(self, token):
        return self.get_vocab().get(token, 0)

assert T(unk_token="?")("a b", "b")["token_type_ids"] == [0, 0, 1]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = updated_node.body
        unsaid = not self.file.scope and unsaid_inputs(self.classes, updated_node.name.value)
        if not unsaid or not isinstance(body, cst.IndentedBlock):
            return updated_node
        place = 1 if original_node.get_docstring() is not None else 0
        names = cst.parse_statement(NAMES)
        return updated_node.with_deep_changes(body, body=[*body.body[:place], names, *body.body[place:]])
