"""ShareGPT, messages, Alpaca, question and answer, prompt-completion, text and token rows, read into three shapes.

A row of whatever layout becomes a Conversation (messages to be rendered), a Passage (text that is formatted already)
or a Tokens (ids that are tokenised already).  `read` says in one sentence why a row is none of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from doctor.chat import Malformed as Malformed

Message = dict[str, Any]
"""`role` is system, user, assistant or tool; `content` is text.  Other keys (tool_calls, name) are kept."""


@dataclass(frozen=True)
class Conversation:
    """Messages, in the words of chat templates."""

    layout: str
    messages: list[Message]
    tools: list[Any] | None = None


@dataclass(frozen=True)
class Passage:
    """Text that is formatted already; the first `prompt` characters of it are not to be learnt.

    `beside` is a system prompt that stands in another column of the row.
    """

    layout: str
    text: str
    prompt: int = 0
    beside: str = ""


@dataclass(frozen=True)
class Tokens:
    """Ids that are tokenised already, with their labels (-100: not learnt) and attention mask, where there are any."""

    layout: str
    ids: Sequence[int]
    labels: Sequence[int] | None = None
    attention: Sequence[int] | None = None


Row = Conversation | Passage | Tokens

ROLES = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter", "person", "customer", "student", "question", "instruction"),
    "assistant": (
        "assistant", "gpt", "chatgpt", "gpt4", "gpt-4", "model", "bot", "chatbot", "ai", "bing", "bard", "claude",
        "gemini", "llm", "answer", "response", "teacher", "agent", "function_call", "function-call", "tool_call",
    ),
    "tool": ("tool", "function", "observation", "ipython", "function_response", "function-response", "tool_response"),
}  # fmt: skip
"""What templates call a speaker, and what data sets call it, in lower case."""
_ROLE = {name: role for role, names in ROLES.items() for name in names}
_TURNS = ("messages", "conversations", "conversation", "items", "dialog", "dialogue", "turns", "chat")
_SPEAKER = ("role", "from", "speaker", "author")
_SAID = ("content", "value", "text", "message", "body", "parts")
_PLAIN: dict[tuple[str, ...], tuple[str, str]] = {(said, who): (who, said) for who in _SPEAKER for said in _SAID}
_PLAIN |= {(who, said): (who, said) for who, said in _PLAIN.values()}
_SYSTEM = ("system", "system_prompt", "system_message")
_ASKED = (
    ("instruction", "output"), ("instruction", "response"), ("question", "answer"), ("question", "response"),
    ("query", "response"), ("query", "answer"), ("prompt", "response"), ("prompt", "output"), ("prompt", "answer"),
    ("input", "output"), ("user", "assistant"), ("human", "assistant"), ("human", "gpt"),
)  # fmt: skip
"""Columns of a question and its answer.  `instruction` may have an `input`."""
_PREFERENCE = ("chosen", "rejected")


def read(row: Any, system: str | None = None) -> Row:
    """A row of a data set; `system` is the system prompt of rows that have none of their own.

    Raises Malformed.
    """
    if isinstance(row, list):
        return _with_system(_turns("messages", row), system)
    if not isinstance(row, Mapping):
        raise Malformed(f"is {_kind(row)}, an object is expected")
    made = _reader(tuple(row))(row)
    return _with_system(made, system) if system and isinstance(made, Conversation) else made


@cache
def _reader(keys: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Row]:
    """How rows with these keys are read."""
    held = set(keys)
    if "input_ids" in held:
        return _tokens
    if lists := [key for key in _TURNS if key in held]:
        return lambda row: _conversation(next((key for key in lists if row[key] is not None), lists[0]), row)
    if {"prompt", "completion"} <= held:
        return _completion
    for asked, answered in _ASKED:
        if {asked, answered} <= held:
            layout = "alpaca" if asked == "instruction" else "question-answer"
            return lambda row: _pair(layout, asked, answered, row)
    if "text" in held:
        return _text
    return _unknown


def _unknown(row: Mapping[str, Any]) -> Row:
    if set(_PREFERENCE) <= set(row):
        raise Malformed("is a preference pair (chosen, rejected), which supervised fine-tuning does not read")
    names = ", ".join(map(str, list(row)[:8])) or "no key"
    raise Malformed(
        f"has {names}: none of messages, conversations, instruction and output, prompt and completion, text"
    )


def _tokens(row: Mapping[str, Any]) -> Tokens:
    parts = []
    for key in ("input_ids", "labels", "attention_mask"):
        value = row.get(key)
        if value is not None and not (isinstance(value, list) and all(isinstance(part, int) for part in value)):
            raise Malformed(f"{key} is {_kind(value)}, a list of whole numbers is expected")
        parts.append(value)
    ids, labels, attention = parts
    if ids is None:
        raise Malformed("input_ids is null")
    for key, value in (("labels", labels), ("attention_mask", attention)):
        if value is not None and len(value) != len(ids):
            raise Malformed(f"{key} has {len(value)} entries, input_ids has {len(ids)}")
    return Tokens("tokens", ids, labels, attention)


def _conversation(key: str, row: Mapping[str, Any]) -> Row:
    value = row[key]
    if isinstance(value, str):
        value = _json(key, value)
    if not isinstance(value, list):
        raise Malformed(f"{key} is {_kind(value)}, a list of turns is expected")
    made = _turns(key, value, _tools(row))
    made = _with_system(made, _system(row))
    if isinstance(text := row.get("text"), str) and text:
        first = made.messages[0]
        return Passage("text", text, beside=first["content"] if first["role"] == "system" else "")
    return made


def _turns(key: str, turns: list[Any], tools: list[Any] | None = None) -> Conversation:
    if not turns:
        raise Malformed(f"{key} is empty")
    messages: list[Message] = []
    layout = "messages"
    for number, turn in enumerate(turns):
        if isinstance(turn, str):
            messages.append({"role": "assistant" if number % 2 else "user", "content": turn})
        elif isinstance(turn, Mapping):
            if "from" in turn:
                layout = "sharegpt"
            _turn(key, number, turn, messages)
        else:
            raise Malformed(f"{key}[{number}] is {_kind(turn)}, an object is expected")
    return Conversation(layout, messages, tools)


def _turn(key: str, number: int, turn: Mapping[str, Any], messages: list[Message]) -> None:
    if len(turn) == 2 and (names := _PLAIN.get(tuple(turn))):  # as nearly all are
        name, content = turn[names[0]], turn[names[1]]
        if type(content) is str and type(name) is str and (role := _ROLE.get(name)):
            messages.append({"role": role, "content": content})
            return
    speaker = next((name for name in _SPEAKER if name in turn), None)
    if speaker is None:
        pairs = [(_ROLE[name.lower()], turn[name]) for name in turn if name.lower() in _ROLE]
        if not pairs:
            raise Malformed(f"{key}[{number}] has {', '.join(map(str, turn))}: neither role nor from")
        messages += [{"role": role, "content": _content(f"{key}[{number}]", said)} for role, said in pairs]
        return
    name = turn[speaker]
    role = _ROLE.get(name.lower()) if isinstance(name, str) else None
    if role is None:
        raise Malformed(f"{key}[{number}].{speaker} is {name!r}: none of system, user (human), assistant (gpt), tool")
    said = next((name for name in _SAID if name in turn), None)
    if said is None and "tool_calls" not in turn:
        raise Malformed(f"{key}[{number}] has {', '.join(map(str, turn))}: neither content nor value")
    message = {"role": role, "content": _content(f"{key}[{number}].{said}", turn[said] if said else None)}
    for extra in turn:
        if extra not in (speaker, said) and turn[extra] is not None and extra not in ("weight", "loss"):
            message[extra] = turn[extra]
    messages.append(message)


def _content(where: str, said: Any) -> str:
    """The text of a turn; of a list of parts, the text parts."""
    if isinstance(said, str):
        return said
    if said is None:
        return ""
    if isinstance(said, list):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in said]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise Malformed(f"{where} holds a part that is not text: only text is read")
        return "".join(texts)
    raise Malformed(f"{where} is {_kind(said)}, text is expected")


def _pair(layout: str, asked: str, answered: str, row: Mapping[str, Any]) -> Row:
    question, answer = _content(asked, row[asked]), _content(answered, row[answered])
    if asked == "instruction" and (given := row.get("input")):
        question += "\n\n" + _content("input", given)
    history = row.get("history") or []
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise Malformed("history is no list of questions and answers")
    history = [said for pair in history for said in pair]
    turns = [{"role": ("user", "assistant")[n % 2], "content": _content("history", t)} for n, t in enumerate(history)]
    messages = [*turns, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    if isinstance(text := row.get("text"), str) and text:
        return Passage("text", text, beside=_system(row))
    return _with_system(Conversation(layout, messages, _tools(row)), _system(row))


def _completion(row: Mapping[str, Any]) -> Row:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        made = _turns("prompt", [*prompt, *completion], _tools(row))
        return _with_system(Conversation("prompt-completion", made.messages, made.tools), _system(row))
    before = _content("prompt", prompt)
    return Passage("prompt-completion", before + _content("completion", completion), len(before), _system(row))


def _text(row: Mapping[str, Any]) -> Row:
    if not isinstance(row["text"], str):
        raise Malformed(f"text is {_kind(row['text'])}, text is expected")
    return Passage("text", row["text"], beside=_system(row))


def _system(row: Mapping[str, Any]) -> str:
    value = next((row[key] for key in _SYSTEM if row.get(key)), "")
    return value if isinstance(value, str) else ""


def _with_system(made: Conversation, system: str | None) -> Conversation:
    if not system or any(message["role"] == "system" for message in made.messages):
        return made
    return Conversation(made.layout, [{"role": "system", "content": system}, *made.messages], made.tools)


def _tools(row: Mapping[str, Any]) -> list[Any] | None:
    value = row.get("tools") or row.get("functions")
    if isinstance(value, str):
        value = _json("tools", value)
    return value if isinstance(value, list) and value else None


def _json(key: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{key} is text that is not JSON: {error}") from error


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    names = {"dict": "an object", "list": "a list", "str": "text", "int": "a number", "float": "a number"}
    return names.get(type(value).__name__, type(value).__name__)
