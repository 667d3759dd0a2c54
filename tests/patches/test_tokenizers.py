"""Which lines of a tokenizer's `__init__` move to before `super().__init__()`, and which do not."""

from __future__ import annotations

import pytest

from doctor.patch import rewrite
from doctor.patches.pad_without_side import PadWithoutSide
from doctor.patches.vocabulary_after_super_init import VocabularyAfterSuperInit

SIZE = """
    @property
    def vocab_size(self):
        return {}
"""


def tokenizer(*lines: str, size: str = "self.model.size()") -> str:
    body = "".join(f"        {line}\n" for line in lines)
    return f"class T(PreTrainedTokenizer):\n    def __init__(self, path, **kwargs):\n{body}{SIZE.format(size)}"


UP = "super().__init__(**kwargs)"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            (UP, "self.bos_token = '<s>'", "self.model = Model()", "self.model.load(path)", "self.name = 'GLM'"),
            ("self.model = Model()", "self.model.load(path)", UP, "self.bos_token = '<s>'", "self.name = 'GLM'"),
            id="what fills it moves too, a special token stays",
        ),
        pytest.param(
            ("self.path = path", UP, "extra = {}", "extra['a'] = 1", "self.model = Model(self.path, extra)"),
            ("self.path = path", "extra = {}", "extra['a'] = 1", "self.model = Model(self.path, extra)", UP),
            id="and the local names it is made of",
        ),
        pytest.param(
            (UP, "def read(path): return open(path)", "self.size = 3", "self.model = Model(read(path), self.size)"),
            ("def read(path): return open(path)", "self.size = 3", "self.model = Model(read(path), self.size)", UP),
            id="and a function in the function",
        ),
    ],
)
def test_what_moves(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    assert rewrite(tokenizer(*before), [VocabularyAfterSuperInit]).text == tokenizer(*after)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((UP, "self.model = Model(self.eos_token)"), id="it needs a special token"),
        pytest.param((UP, "self.model = Model(); self.name = 'GLM'"), id="two statements on a line"),
        pytest.param(("self.model = Model()", UP), id="in time"),
        pytest.param(("self.model = Model()",), id="no call"),
    ],
)
def test_what_stays(lines: tuple[str, ...]) -> None:
    assert rewrite(tokenizer(*lines), [VocabularyAfterSuperInit]).text == tokenizer(*lines)


def test_what_is_read_through_a_method_of_its_own_counts() -> None:
    text = tokenizer(UP, "self.words = open(path).read()", size="len(self.all())")
    text += "\n    def all(self):\n        return self.words.split()\n"
    rewritten = rewrite(text, [VocabularyAfterSuperInit]).text
    assert rewritten.index("self.words =") < rewritten.index("super()")


def test_a_pad_that_is_decorated_already_is_left_to_its_author() -> None:
    text = "class T(PreTrainedTokenizer):\n    @sided\n    def _pad(self, encoded_inputs): ...\n"
    assert rewrite(text, [PadWithoutSide]).text == text
