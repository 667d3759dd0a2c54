"""What of a row is learnt, what happens to one that is too long, and which rows are held out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doctor.chat.conversation import Conversation, Passage, Tokens, read
from doctor.chat.mask import IGNORED
from doctor.settings import UsageError
from doctor.trainer.config import Config
from doctor.trainer.data import prepare
from doctor.trainer.encode import Encoder, NotLearnt

TALK = [
    {"role": "system", "content": "You are Mira."},
    {"role": "user", "content": "Who is Tom?"},
    {"role": "assistant", "content": "Tom is my neighbour."},
    {"role": "user", "content": "And Ada?"},
    {"role": "assistant", "content": "Ada is his daughter."},
]


def learnt(shim: Any, encoded: Any) -> str:
    return str(shim.decode([n for n in encoded.labels if n != IGNORED]))


def test_answers_are_learnt_with_what_ends_them(shim: Any) -> None:
    encoded = Encoder(shim, 512).encode(Conversation("messages", TALK))
    assert learnt(shim, encoded) == "Tom is my neighbour.<|im_end|>Ada is his daughter.<|im_end|>"
    assert shim.decode(encoded.ids).startswith("<|im_start|>system\nYou are Mira.<|im_end|>")
    assert encoded.labels[-1] != IGNORED, "what follows the last learnt token is left out"


def test_the_oldest_turns_go_and_answers_stay_whole(shim: Any) -> None:
    whole = len(Encoder(shim, 512).encode(Conversation("messages", TALK)).ids)
    encoded = Encoder(shim, whole - 1).encode(Conversation("messages", TALK))
    assert learnt(shim, encoded) == "Ada is his daughter.<|im_end|>"
    assert "You are Mira." in shim.decode(encoded.ids), "the system prompt stays"
    assert (encoded.dropped, encoded.whole) == (2, whole)
    fewest = len(encoded.ids)
    with pytest.raises(
        NotLearnt, match=f"needs {fewest} tokens for its last exchange alone, max_length is {fewest - 1}"
    ):
        Encoder(shim, fewest - 1).encode(Conversation("messages", TALK))


def test_other_rows(shim: Any) -> None:
    encoder = Encoder(shim, 64)
    prompted = encoder.encode(Passage("prompt-completion", "Q: Tom?\nA: He is old.", prompt=len("Q: Tom?\nA:")))
    assert learnt(shim, prompted) == " He is old.<|im_end|>"
    formatted = encoder.encode(
        Passage("text", "<|im_start|>user\nTom?<|im_end|>\n<|im_start|>assistant\nOld.<|im_end|>")
    )
    assert learnt(shim, formatted) == "Old.<|im_end|>"
    ready = encoder.encode(Tokens("tokens", [5, 6, 7, 8], [IGNORED, IGNORED, 7, IGNORED]))
    assert (ready.ids, ready.labels) == ([5, 6, 7], [IGNORED, IGNORED, 7])
    padded = encoder.encode(Tokens("tokens", [5, 6, 0, 0], None, [1, 1, 0, 0]))
    assert (padded.ids, padded.labels) == ([5, 6], [5, 6])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (Conversation("messages", TALK[:2]), "has no answer to learn"),
        (Tokens("tokens", [5, 6], [IGNORED, IGNORED]), "has no answer to learn"),
        (Tokens("tokens", [5, 6], [IGNORED, 7]), "has labels that are neither its ids nor -100"),
        (Passage("text", "word " * 200), "needs 1001 tokens, max_length is 64"),
    ],
)
def test_a_row_that_teaches_nothing_says_why(shim: Any, row: Any, why: str) -> None:
    with pytest.raises(NotLearnt, match=why):
        Encoder(shim, 64).encode(row)


def test_without_a_template_conversations_are_refused(shim: Any) -> None:
    shim.chat_template = None
    with pytest.raises(NotLearnt, match="the model has no chat template"):
        Encoder(shim, 64).encode(read({"question": "Who?", "answer": "Tom."}))


def test_what_is_held_out_hangs_on_the_rows_alone(configured: Callable[..., Config], shim: Any) -> None:
    config = configured(40)

    def held() -> set[str]:
        prepared = prepare(config, shim)
        assert not set(prepared.train) & set(prepared.holdout)
        return {shim.decode(prepared.store[row][0]) for row in prepared.holdout}

    first, file = held(), Path(config.data.path)
    lines = file.read_text("utf-8").splitlines(keepends=True)
    random.Random(3).shuffle(lines)
    file.write_text("".join(lines), "utf-8")
    assert len(first) == 4
    assert held() == first, "in another order"
    file.write_text("".join(lines + lines), "utf-8")
    prepared = prepare(config, shim)
    texts = {part: {str(prepared.store[row][0]) for row in getattr(prepared, part)} for part in ("train", "holdout")}
    assert not texts["train"] & texts["holdout"], "equal rows stay together"


def test_the_report(configured: Callable[..., Config], shim: Any) -> None:
    config = configured(20, max_length=60)
    with Path(config.data.path).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"messages": TALK[:2]}) + "\n{]\n" + json.dumps({"text": "word " * 200}) + "\n")
    prepared = prepare(config, shim, 2)
    report = prepared.report
    assert (report["rows"], report["refused_count"], report["train"] + report["holdout"]) == (23, 3, 20)
    assert [row["row"] for row in report["refused"]] == ["rows.jsonl:21", "rows.jsonl:22", "rows.jsonl:23"]
    assert [row["length"] for row in report["refused"]] == [0, 0, report["longest"]]
    assert report["shortened"] == 7, "those of two exchanges"
    assert report["layouts"] == {"messages": 20}
    assert report["tokens"] > report["learnt"] > 0
    again = prepare(config, shim)
    assert again.report["digest"] == report["digest"]
    assert [name for name, _ in prepared.prompts], "held-out prompts for samples"


def test_the_system_prompt_of_the_configuration(configured: Callable[..., Config], shim: Any) -> None:
    config = configured(4)
    Path(config.data.path).write_text('{"question": "Who?", "answer": "Tom."}\n' * 2, "utf-8")
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"system": "You are Ada.", "holdout": 0.0})}
    )
    prepared = prepare(config, shim)
    assert "You are Ada." in shim.decode(prepared.store[0][0])


def test_nothing_to_train_on(configured: Callable[..., Config], shim: Any) -> None:
    with pytest.raises(UsageError, match=r"has no row to train on: rows\.jsonl:1 needs .* max_length is 8"):
        prepare(configured(3, max_length=8), shim)
    config = configured(3)
    other = config.model_copy(update={"data": config.data.model_copy(update={"format": "alpaca"})})
    with pytest.raises(UsageError, match=r"rows\.jsonl:1 is messages, data\.format is alpaca"):
        prepare(other, shim)
