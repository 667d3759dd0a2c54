"""Labels by characters, and what happens to a conversation that is too long."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from doctor.chat import Missing
from doctor.chat.mask import IGNORED, fit, labels, ranges, tokenizer


def words() -> Tokenizer:
    vocabulary = {word: number for number, word in enumerate(["[UNK]", "</s>", *"abcdefgh"])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(["</s>"])
    return made


def test_labels_are_the_tokens_that_the_spans_touch() -> None:
    text = "a b  c d</s> e"
    assert labels(words().encode(text), [(3, 12)]) == [IGNORED, IGNORED, 4, 5, 1, IGNORED]
    assert ranges(words().encode(text), [(3, 5), (13, 14)]) == [(5, 6)], "white space alone is no token"


@pytest.mark.parametrize(("limit", "dropped"), [(100, 0), (25, 0), (24, 2), (15, 2), (14, None)])
def test_the_oldest_turns_go_first_and_the_system_prompt_stays(limit: int, dropped: int | None) -> None:
    roles = ("system", "user", "assistant", "user", "assistant")
    talk = [{"role": role, "content": "12345"} for role in roles]
    done = fit(talk, limit, lambda rest: sum(len(message["content"]) for message in rest))
    if dropped is None:
        assert (done.messages, done.length) == (None, 15), "refused, with what its last exchange needs"
    else:
        assert done.messages is not None
        assert [message["role"] for message in done.messages] == ["system", *roles[1 + dropped :]]
        assert done.dropped == dropped


def test_a_tokenizer_comes_without_the_limits_it_was_saved_with(tmp_path: Path) -> None:
    made = words()
    made.enable_truncation(2)
    made.enable_padding(length=9)
    made.save(str(tmp_path / "tokenizer.json"))
    assert len(tokenizer(str(tmp_path / "tokenizer.json")).encode("a b c")) == 3


def test_what_is_no_tokenizer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"not a tokenizer\.json"):
        tokenizer(str(tmp_path / "tokenizer.json"))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(Missing, match="pip install"):
        tokenizer(str(tmp_path / "tokenizer.json"))
