"""Recorded answers: one JSON object a line, {"id", "answer", "finish"?, "seed"?}."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from doctor.evaluate.model import Answer
from doctor.evaluate.reading import Row, jsonl
from doctor.settings import UsageError, nearest

KEYS = ("id", "answer", "finish", "seed")
FINISH = {
    "length": "length", "max_tokens": "length", "max_new_tokens": "length", "max_length": "length",
    "stop": "stop", "eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop", "": "",
}  # fmt: skip
"""What servers and libraries call the two ways an answer ends."""


def finished(word: str | None) -> str:
    """`length`, `stop`, or nothing where the word says neither."""
    return FINISH.get((word or "").lower(), "")


def read_answers(path: Path, ids: Collection[str]) -> tuple[list[Answer], list[str]]:
    """The answers to known samples, and the ids that no sample has; raises UsageError that names the line."""
    found: dict[tuple[str, int], tuple[Answer, str]] = {}
    strangers: list[str] = []
    for entry in jsonl(path, "the answers"):
        answer = _answer(entry)
        if answer.id not in ids:
            strangers.append(answer.id)
            continue
        key = answer.id, answer.seed
        if key in found:
            entry.wrong(f"is answered already by {found[key][1]}; give several answers to one sample a 'seed' each")
        found[key] = answer, entry.where
    if not found:
        hint = nearest(strangers[0], ids) if strangers else ""
        what = f"answers no sample: its first id is {strangers[0]!r}{hint}" if strangers else "holds no answer"
        raise UsageError(f"{path} {what}")
    return [answer for answer, _ in found.values()], strangers


def _answer(entry: Row) -> Answer:
    for key in entry.values:  # other tools write more; what looks misspelt is refused
        if key not in KEYS and (hint := nearest(str(key), KEYS)):
            entry.wrong(f"there is no key {key!r}{hint}")
    name, seed = entry.text("id"), entry.integer("seed", 0, 0)
    if "answer" not in entry.values:
        entry.wrong("has no 'answer' (write null where the model gave none)")
    if entry.values["answer"] is None:
        return Answer(name, None, seed=seed, reason="the model gave no answer")
    return Answer(name, entry.text("answer", ""), finished(entry.text("finish", "")), seed)
