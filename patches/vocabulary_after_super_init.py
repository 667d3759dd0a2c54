"""A tokenizer reads its vocabulary after `super().__init__`, which asks for it.

transformers 4.34 made `super().__init__` look up the special tokens in the vocabulary: `AttributeError:
BaichuanTokenizer has no attribute vocab_size`.  The lines that make what `vocab_size`, `get_vocab` and the conversion
of tokens read, and the lines that those need, move to before the call; all others stay behind it.  Where one of them
needs something that only the library's `__init__` gives, nothing is moved, and the finding remains.

Reference: https://github.com/huggingface/transformers/issues/26777
"""

from __future__ import annotations

import libcst as cst

from doctor.classes import Classes
from doctor.early import Early, early
from doctor.patch import Example, File, Patch
from doctor.tokenizer_classes import is_tokenizer

SIZE = """
    @property
    def vocab_size(self):
        return len(self.words)
"""
BEFORE = """class T(PreTrainedTokenizer):
    def __init__(self, vocab_file, lower=False, **kwargs):
        super().__init__(lower=lower, **kwargs)
        self.lower = lower
        words = open(vocab_file).read()
        # one a line
        self.words = words.split()
"""
AFTER = """class T(PreTrainedTokenizer):
    def __init__(self, vocab_file, lower=False, **kwargs):
        words = open(vocab_file).read()
        # one a line
        self.words = words.split()
        super().__init__(lower=lower, **kwargs)
        self.lower = lower
"""


class VocabularyAfterSuperInit(Patch):
    old, new = "transformers<4.34", "transformers>=4.36"
    needles = (b"PreTrainedTokenizer",)
    examples = [
        Example(BEFORE + SIZE, AFTER + SIZE),
        Example(AFTER + SIZE, keeps="the vocabulary is there in time"),
        Example((BEFORE + SIZE).replace("PreTrainedTokenizer", "Words"), keeps="not a tokenizer"),
        Example(
            (BEFORE + SIZE).replace("words.split()", "words.split(self.sep_token)"),
            keeps="it needs what the library's `__init__` gives",
        ),
        Example(BEFORE + SIZE.replace("self.words", "range(9)"), keeps="`super().__init__` asks for none of it"),
    ]
    proof = """
from transformers import PreTrainedTokenizer

class T(PreTrainedTokenizer):
    def __init__(self, words="? . a b", **kwargs):
        super().__init__(words=words, **kwargs)
        self.words = words
        self.ids = {}
        for word in words.split():
            self.ids[word] = len(self.ids)

    @property
    def vocab_size(self):
        return len(self.ids)

    def get_vocab(self):
        return {**self.ids, **self.added_tokens_encoder}

    def build_inputs_with_special_tokens(self, ids, pair=None):
        return ids

    def _tokenize(self, text):
        return text.split()

    def _convert_token_to_id(self, token):
        return self.ids.get(token, 0)

    def _convert_id_to_token(self, index):
        return self.words.split()[index]

tokenizer = T(unk_token="?", pad_token="[PAD]")
assert len(tokenizer) == 5 and tokenizer.pad_token_id == 4
assert tokenizer("b a")["input_ids"] == [3, 2] and tokenizer.decode([3, 2]) == "b a"
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def reaches(self, name: str, text: str) -> bool:
        return ").__init__(" in text and is_tokenizer(self.classes, name.partition(".")[0])

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        body, at_home = updated_node.body, len(self.file.scope) == 1 and bool(self.file.classes)
        if updated_node.name.value != "__init__" or not at_home or not isinstance(body, cst.IndentedBlock):
            return updated_node
        found = early(self.classes, self.file.classes[0].name.value)
        lines = list(body.body)
        as_parsed = len(lines) == len(original_node.body.body) and not any(_several(line) for line in lines)
        if found is None or not found.lines or not as_parsed:
            return updated_node
        return updated_node.with_deep_changes(body, body=_moved(lines, found))


def _several(line: cst.CSTNode) -> bool:
    """Whether this is `a; b`, of which the two count as one here and as two in `ast`."""
    return isinstance(line, cst.SimpleStatementLine) and len(line.body) > 1


def _moved(lines: list[cst.BaseStatement], found: Early) -> list[cst.BaseStatement]:
    behind = [line for index, line in enumerate(lines) if index > found.call and index not in found.lines]
    return [*lines[: found.call], *(lines[index] for index in found.lines), lines[found.call], *behind]
