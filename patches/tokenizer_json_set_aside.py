"""A fast tokenizer has an `__init__` of its own.

From 5.0 on the library does not read the tokenizer.json of such a class any more: it takes the vocabulary out of the
file and puts the rest together anew, without the file's normalizer, pre-tokenizer and decoder.  Other ids than the
model was trained on, without a word; in transformers 4, and for a class without `__init__`, the file is read.  The
library has a switch for it, `trust_remote_code` of `convert_to_native_format`, which the class now sets.

Reference: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/tokenization_utils_tokenizers.py
"""

from __future__ import annotations

import libcst as cst

from doctor.classes import Classes
from doctor.patch import Example, File, Patch, with_method
from doctor.tokenizer_classes import set_aside

READS = """@classmethod
def convert_to_native_format(cls, *args, **kwargs):
    return super().convert_to_native_format(*args, **{**kwargs, "trust_remote_code": True})
"""
FAST = """class T(Qwen2TokenizerFast):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.im_start = "<image>"
"""
METHOD = "\n" + "".join(f"    {line}\n" for line in READS.splitlines())


class TokenizerJsonSetAside(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"TokenizerFast",)
    examples = [
        Example(FAST, FAST + METHOD),
        Example(FAST.replace("Qwen2", "PreTrained"), FAST.replace("Qwen2", "PreTrained") + METHOD),
        Example(FAST + METHOD, keeps="it says how it is read"),
        Example(FAST.replace("__init__(self, **kwargs)", "start(self)"), keeps="the file is read for such a class"),
        Example(FAST.replace("TokenizerFast", "Tokenizer"), keeps="transformers 4 reads no tokenizer.json for it"),
        Example(FAST.replace("self.im_start", "self._tokenizer"), keeps="written for 5.0 or later: it makes its own"),
        Example(FAST.replace("T(Qwen2TokenizerFast)", "T"), keeps="not a tokenizer"),
    ]
    proof = """
import tempfile

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

class Fast(PreTrainedTokenizerFast):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.start = "a"

made = Tokenizer(WordLevel({"?": 0, "a": 1, "b": 2}, unk_token="?"))
made.normalizer, made.pre_tokenizer = Lowercase(), Whitespace()
with tempfile.TemporaryDirectory() as folder:
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="?").save_pretrained(folder)
    assert Fast.from_pretrained(folder).encode("A b") == [1, 2]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        aside = not self.file.scope and set_aside(self.classes, updated_node.name.value)
        return with_method(updated_node, READS) if aside else updated_node
