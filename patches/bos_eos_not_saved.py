"""A tokenizer hands `add_bos_token` or `add_eos_token` to the library, to be saved with it.

transformers 5 leaves both out of the tokenizer_config.json that it writes, without a word: a tokenizer that was told to
add no `<s>` adds it again once it was saved with a fine-tuned model and loaded from there.  What was told is written
into the file, as transformers 4 did.

Reference: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/tokenization_utils_base.py
"""

from __future__ import annotations

import libcst as cst

from doctor.classes import Classes
from doctor.patch import Example, File, Patch, with_method
from doctor.tokenizer_classes import unsaved_choices

SAVES = """def save_pretrained(self, save_directory, *args, **kwargs):
    saved = super().save_pretrained(save_directory, *args, **kwargs)
    _doctor_keep_choices(self, save_directory)
    return saved
"""
TOKENIZER = """class T(PreTrainedTokenizer):
    def __init__(self, add_bos_token=True, **kwargs):
        super().__init__({0}, **kwargs)
        self.add_bos_token = add_bos_token
"""
BEFORE = TOKENIZER.format("add_bos_token=add_bos_token")
METHOD = "\n" + "".join(f"    {line}\n" for line in SAVES.splitlines())


class BosEosNotSaved(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"add_bos_token=", b"add_eos_token=")
    helpers = {
        "_doctor_keep_choices": '''
def _doctor_keep_choices(tokenizer, folder):
    """Write add_bos_token and add_eos_token into a saved tokenizer_config.json, where transformers 5 has none."""
    import json
    import os

    path = os.path.join(folder, "tokenizer_config.json")
    if not os.path.isfile(path):
        return
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    names = ("add_bos_token", "add_eos_token")
    left_out = {n: getattr(tokenizer, n) for n in names if hasattr(tokenizer, n) and n not in config}
    if left_out:
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps({**config, **left_out}, indent=2, ensure_ascii=False) + "\\n")
'''
    }
    examples = [
        Example(BEFORE, BEFORE + METHOD),
        Example(BEFORE.replace("bos", "eos"), BEFORE.replace("bos", "eos") + METHOD),
        Example(BEFORE + "\n    def save_pretrained(self, folder): ...\n", keeps="it saves itself"),
        Example(TOKENIZER.format("unk_token=None"), keeps="it is not saved by transformers 4 either"),
        Example(BEFORE.replace("PreTrainedTokenizer", "PreTrainedTokenizerFast"), keeps="its tokenizer.json says it"),
        Example(BEFORE.replace("PreTrainedTokenizer", "Words"), keeps="not a tokenizer"),
    ]
    proof = """
import json
import os
import tempfile

from transformers import PreTrainedTokenizer

class T(PreTrainedTokenizer):
    def __init__(self, add_bos_token=True, **kwargs):
        self.add_bos_token = add_bos_token
        super().__init__(add_bos_token=add_bos_token, **kwargs)

    @property
    def vocab_size(self):
        return 2

    def get_vocab(self):
        return {"?": 0, "a": 1}

    def _convert_token_to_id(self, token):
        return self.get_vocab().get(token, 0)

    def save_vocabulary(self, save_directory, filename_prefix=None):
        return ()

with tempfile.TemporaryDirectory() as folder:
    T(add_bos_token=False, unk_token="?").save_pretrained(folder)
    with open(os.path.join(folder, "tokenizer_config.json")) as file:
        assert json.load(file)["add_bos_token"] is False
    assert T.from_pretrained(folder).add_bos_token is False
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        unsaved = not self.file.scope and unsaved_choices(self.classes, updated_node.name.value)
        if not unsaved or not isinstance(updated_node.body, cst.IndentedBlock):
            return updated_node
        self.helper("_doctor_keep_choices")
        return with_method(updated_node, SAVES)
