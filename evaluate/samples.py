"""The questions of an evaluation, from YAML or JSON Lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from doctor.evaluate.model import SPLITS, Expectation, Message, Sample
from doctor.evaluate.reading import Row, jsonl, row, yaml
from doctor.settings import UsageError

KEYS = (
    "id", "category", "question", "messages", "system", "must", "must_not", "reference", "identity", "language",
    "split", "weight",
)  # fmt: skip
EXPECTATION_KEYS = ("text", "aliases", "regex", "number", "tolerance", "any")
ROLES = ("system", "user", "assistant")


def read_samples(paths: Iterable[Path]) -> list[Sample]:
    """The samples of some files in their order; raises UsageError that names the file, the row and the key."""
    samples: dict[str, tuple[Sample, str]] = {}
    for path in paths:
        for entry in _rows(path):
            found = sample(entry)
            if found.id in samples:
                entry.wrong(f"the id is taken by {samples[found.id][1]}")
            samples[found.id] = found, entry.where
        if not samples:
            raise UsageError(f"{path} holds no sample")
    return [found for found, _ in samples.values()]


def _rows(path: Path) -> Iterable[Row]:
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return jsonl(path, "the samples")
    document = yaml(path, "the samples")
    if isinstance(document, dict) and set(document) == {"samples"}:
        document = document["samples"]
    if not isinstance(document, list):
        raise UsageError(f"{path} is not a list of samples; write `- id: ...` and `question: ...` for each")
    return [row(values, f"{path}: row {number}") for number, values in enumerate(document, 1)]


def sample(entry: Row) -> Sample:
    """One sample from its row."""
    entry.only(KEYS)
    system, messages = _conversation(entry)
    return Sample(
        id=entry.text("id"),
        messages=messages,
        category=entry.text("category", "general") or "general",
        system=system,
        must=tuple(expectation(entry, "must", value) for value in entry.listed("must")),
        must_not=tuple(expectation(entry, "must_not", value) for value in entry.listed("must_not")),
        reference=entry.text("reference", ""),
        identity=tuple(_phrase(entry, "identity", name) for name in entry.listed("identity")),
        language=entry.text("language", "").lower().partition("-")[0],
        split=entry.choice("split", SPLITS),
        weight=entry.number("weight", 1.0, 0.0),
    )


def _conversation(entry: Row) -> tuple[str, tuple[Message, ...]]:
    """The system prompt and the turns, from `question` or `messages`."""
    if ("question" in entry.values) == ("messages" in entry.values):
        entry.wrong(
            "has both 'question' and 'messages'" if "question" in entry.values else "has no 'question' (or 'messages')"
        )
    system = entry.text("system", "")
    if "question" in entry.values:
        return system, (Message("user", entry.text("question")),)
    turns = [_turn(entry, number, value) for number, value in enumerate(entry.listed("messages"), 1)]
    if turns and turns[0].role == "system":
        if system:
            entry.wrong("has a system prompt twice: 'system' and the first of 'messages'")
        system, turns = turns[0].content, turns[1:]
    if any(turn.role == "system" for turn in turns):
        entry.wrong("'messages' has a system turn that is not the first")
    if not turns or turns[-1].role != "user":
        entry.wrong("'messages' does not end with the user's turn, which the model answers")
    return system, tuple(turns)


def _turn(entry: Row, number: int, value: Any) -> Message:
    turn = row(value, f"{entry.where}: turn {number} of 'messages'")
    turn.only(("role", "content"))
    role = turn.text("role")
    if role not in ROLES:
        turn.wrong(f"'role' is {role!r}; known are {', '.join(ROLES)}")
    return Message(role, turn.text("content"))


def expectation(entry: Row, key: str, value: Any) -> Expectation:
    """What `must` or `must_not` asks for: a text, a number, or a mapping with text, regex, number or any."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Expectation(number=float(value))
    if not isinstance(value, dict):
        return Expectation(texts=(_phrase(entry, key, value),))
    part = Row(value, f"{entry.where}: {key!r}")
    part.only(EXPECTATION_KEYS)
    given = [name for name in ("text", "regex", "number", "any") if name in value]
    if given not in (["text"], ["regex"], ["number"], ["any"]):
        given = ["text"] if not given and "aliases" in value else given
    if len(given) != 1:
        part.wrong(f"has {' and '.join(given) or 'none'} of text, regex, number and any; write exactly one")
    return _expectation(part, key, given[0])


def _expectation(part: Row, key: str, kind: str) -> Expectation:
    if "tolerance" in part.values and kind != "number":
        part.wrong("'tolerance' goes with 'number' only")
    if "aliases" in part.values and kind != "text":
        part.wrong("'aliases' goes with 'text' only")
    if kind == "text":
        phrases = [*part.listed("text"), *part.listed("aliases")]
        return Expectation(texts=tuple(_phrase(part, "text", phrase) for phrase in phrases))
    if kind == "regex":
        pattern = part.text("regex")
        try:
            re.compile(pattern)
        except re.error as error:
            part.wrong(f"'regex' {pattern!r} is no regular expression: {error}")
        return Expectation(regex=pattern)
    if kind == "number":
        return Expectation(number=part.number("number", 0.0), tolerance=part.number("tolerance", 0.0, 0.0))
    alternatives = tuple(expectation(part, "any", value) for value in part.listed("any"))
    if not alternatives:
        part.wrong("'any' is empty")
    return Expectation(any=alternatives)


def _phrase(entry: Row, key: str, value: Any) -> str:
    if not isinstance(value, str):
        entry.wrong(f"{key!r} has {value!r}, which YAML reads as no text; put it in quotation marks")
    if not value.strip():
        entry.wrong(f"{key!r} has an empty text")
    return value
