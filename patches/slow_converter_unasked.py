"""A fast tokenizer is made from a slow one by a converter that the file brings along.

transformers 4 asked `SLOW_TO_FAST_CONVERTERS`.  From 5.0 on the backend is put together from the pieces of
tokenizer.model alone, without the converter's normalizer, byte fallback and decoder: other ids, without a word
(InternLM2 loses every space).  The converter is asked as before, and what it reads with `SentencePieceExtractor` is
read as in transformers 4.

Reference: https://github.com/huggingface/transformers/blob/v5.23.0/src/transformers/tokenization_utils_tokenizers.py
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.tokenizer_classes import converted

UP = m.Call(func=m.Attribute(value=m.Call(func=m.Name("super"), args=[]), attr=m.Name("__init__")))
EXTRACTOR = m.Call(func=m.Name("SentencePieceExtractor"))
EXTRACTS = m.Call(func=m.Attribute(value=EXTRACTOR, attr=m.Name("extract")))
CONVERTER = """class SlowConverter(SpmConverter):
    def merges(self, path, scores):
        return {0}


SLOW_TO_FAST_CONVERTERS["Slow"] = SlowConverter


class Fast(PreTrainedTokenizerFast):
    slow_tokenizer_class = Slow

    def __init__(self, vocab_file, **kwargs):
        super().__init__({1})
"""
READS, GIVEN = "SentencePieceExtractor(path).extract(scores)", "vocab_file=vocab_file, **kwargs"
BEFORE = CONVERTER.format(READS, GIVEN)


class SlowConverterUnasked(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"SLOW_TO_FAST_CONVERTERS",)
    helpers = {
        "_doctor_extracted": '''
def _doctor_extracted(extractor, vocab_scores=None):
    """The vocabulary and the merges of a tokenizer.model, as `extract` gave them in transformers 4."""
    from transformers.convert_slow_tokenizer import generate_merges

    if hasattr(extractor, "sp"):
        return extractor.extract(vocab_scores)
    vocab = {piece.piece: index for index, piece in enumerate(extractor.proto.pieces)}
    return vocab, generate_merges(vocab, vocab_scores)
''',
        "_doctor_converted": '''
def _doctor_converted(tokenizer, **kwargs):
    """What a fast tokenizer is made of: in transformers 5 with the backend that the file's own converter makes."""
    import transformers
    from transformers.convert_slow_tokenizer import convert_slow_tokenizer

    made = kwargs.get("tokenizer_object") is not None or kwargs.get("tokenizer_file") is not None
    if made or not hasattr(transformers, "TokenizersBackend"):
        return kwargs
    parts = ("vocab", "merges", "additional_special_tokens", "extra_special_tokens", "_spm_precompiled_charsmap")
    given = {name: value for name, value in kwargs.items() if name not in parts}
    named = {str(value) for name, value in given.items() if name.endswith("_token")}
    added = given.get("added_tokens_decoder", {}).values()
    given["additional_special_tokens"] = [t for t in added if t.special and t.content not in named]
    slow = tokenizer.slow_tokenizer_class(**given)
    return {**given, "tokenizer_object": convert_slow_tokenizer(slow)}
''',
    }
    examples = [
        Example(
            BEFORE,
            CONVERTER.format(
                "_doctor_extracted(SentencePieceExtractor(path), scores)",
                "**_doctor_converted(self, vocab_file=vocab_file, **kwargs)",
            ),
        ),
        Example(
            BEFORE.replace("    slow_tokenizer_class = Slow\n\n", ""),
            CONVERTER.format("_doctor_extracted(SentencePieceExtractor(path), scores)", GIVEN).replace(
                "    slow_tokenizer_class = Slow\n\n", ""
            ),
        ),
        Example(
            CONVERTER.format("scores", GIVEN).replace('CONVERTERS["Slow"]', 'CONVERTERS["Other"]'),
            keeps="a converter of another class",
        ),
        Example(CONVERTER.format("scores", "vocab_file, **kwargs"), keeps="what has no name cannot be handed on"),
    ]
    proof = """
import tempfile

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import CharDelimiterSplit
from transformers import PreTrainedTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import SLOW_TO_FAST_CONVERTERS, Converter


class Slow(PreTrainedTokenizer):
    vocab_files_names = {"vocab_file": "words.txt"}

    def __init__(self, vocab_file, **kwargs):
        self.words = open(vocab_file).read().split("-")
        super().__init__(**kwargs)

    @property
    def vocab_size(self):
        return len(self.words)

    def get_vocab(self):
        return {word: index for index, word in enumerate(self.words)}

    def _convert_token_to_id(self, token):
        return self.words.index(token) if token in self.words else 0

    def _convert_id_to_token(self, index):
        return self.words[index]


class SlowConverter(Converter):
    def converted(self):
        made = Tokenizer(WordLevel(self.original_tokenizer.get_vocab(), unk_token="?"))
        made.pre_tokenizer = CharDelimiterSplit("-")
        return made


SLOW_TO_FAST_CONVERTERS["Slow"] = SlowConverter


class Fast(PreTrainedTokenizerFast):
    vocab_files_names = {"vocab_file": "words.txt"}
    slow_tokenizer_class = Slow

    def __init__(self, vocab_file, **kwargs):
        super().__init__(vocab_file=vocab_file, **kwargs)


with tempfile.TemporaryDirectory() as folder:
    with open(folder + "/words.txt", "w") as file:
        file.write("?-a-b")
    assert Fast(folder + "/words.txt", unk_token="?").encode("a-b", add_special_tokens=False) == [1, 2]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def reaches(self, name: str, text: str) -> bool:
        return "SentencePieceExtractor(" in text or "super().__init__(" in text

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if m.matches(updated_node, EXTRACTS):
            func = cst.ensure_type(updated_node.func, cst.Attribute)
            first = cst.Arg(func.value, comma=_comma()) if updated_node.args else cst.Arg(func.value)
            return updated_node.with_changes(func=self.helper("_doctor_extracted"), args=[first, *updated_node.args])
        around = self.file.classes[0].name.value if len(self.file.classes) == 1 else ""
        if not m.matches(updated_node, UP) or around not in converted(self.file.text, self.classes):
            return updated_node
        own = cst.Arg(cst.Name("self"), comma=_comma())
        inner = cst.Call(self.helper("_doctor_converted"), [own, *updated_node.args])
        return updated_node.with_changes(args=[cst.Arg(inner, star="**")])


def _comma() -> cst.Comma:
    return cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
