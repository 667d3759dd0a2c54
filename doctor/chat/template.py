"""A chat template, rendered byte for byte as transformers renders it, within limits of size and time.

The settings are those of `transformers/utils/chat_template_utils.py` (4.47 to 5.23): an immutable sandbox, blocks
trimmed, loop controls, the `generation` tag, `tojson` that escapes nothing, `raise_exception` and `strftime_now`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from doctor.chat import Missing
from doctor.chat.conversation import Message

if TYPE_CHECKING:
    from jinja2 import Template as Compiled
    from jinja2.sandbox import ImmutableSandboxedEnvironment

SIZE_LIMIT = 20_000_000
"""Characters that one rendering may have, and any text made on the way."""
LOOP_LIMIT = 1_000_000
"""Numbers that the `range` calls of one rendering may yield."""
OPEN, CLOSE = "\U000f1d00", "\U000f1d01"
"""Private-use characters around a turn's words, to find them in the rendered text."""
_MARKS = re.compile(f"[{OPEN}{CLOSE}]")
_REASONING = ("reasoning_content", "thinking", "reasoning")
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


class Refused(Exception):
    """A template that is no Jinja, or that does not render a conversation; the text says why."""


class Template:
    """A chat template and the special tokens it may name (`bos_token`, `eos_token`, ...)."""

    def __init__(self, source: str, tokens: Mapping[str, str] | None = None) -> None:
        self.source, self.tokens = source, dict(tokens or {})

    @cached_property
    def _compiled(self) -> Compiled:
        return _compile(self.source)

    @cached_property
    def generates(self) -> bool:
        """Whether it marks answers itself, with `{% generation %}`."""
        return bool(_GENERATION.search(self.source))

    def render(self, messages: Sequence[Message], tools: Sequence[Any] | None = None, prompt: bool = False) -> str:
        """The conversation as text; `prompt` adds what comes before the next answer.  Raises Refused, Missing."""
        return self._render(messages, tools, prompt)[0]

    def spans(
        self, messages: Sequence[Message], tools: Sequence[Any] | None = None, end: str = ""
    ) -> tuple[str, list[Span]]:
        """The conversation as text and where its answers stand in it, each without what ends it.

        `end` is the token that ends an answer, if it is known: it finds answers that the template shortens.  Raises
        Refused where it does not render, or where the answers cannot be told from the rest.
        """
        if self.generates:
            return self._render(messages, tools, False)
        text = self.render(messages, tools)
        found = self._marked(messages, tools, text)
        return text, found if found is not None else self._by_prefix(messages, tools, text, end)

    def _marked(self, messages: Sequence[Message], tools: Sequence[Any] | None, text: str) -> list[Span] | None:
        """Where marks around every answer end up; None where the marks change what is rendered.

        Around the whole of it, or, where the template trims, around its words.
        """
        for inner in (False, True):
            marked = [_mark(message, inner) if message["role"] == "assistant" else message for message in messages]
            try:
                found = self.render(marked, tools)
            except Refused:
                continue
            pieces = _MARKS.split(found)
            marks = sum(before is not after for before, after in zip(messages, marked, strict=True))
            # A template that cuts an answer may lose one mark of a pair.
            if "".join(_MARKS.findall(found)) == (OPEN + CLOSE) * marks and "".join(pieces) == text:
                return _odd(pieces)
        return None

    def _by_prefix(self, messages: Sequence[Message], tools: Sequence[Any] | None, text: str, end: str) -> list[Span]:
        """Where each answer begins after all that was said before it; exact where the template only ever appends."""
        spans = []
        for number, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before, through = self.render(messages[:number], tools, True), self.render(messages[: number + 1], tools)
            stop = text.find(end, len(before)) if end else -1
            if not text.startswith(before) or not (text.startswith(through.rstrip()) or stop >= 0):
                raise Refused("the template rewrites earlier turns, so that its answers cannot be told from the rest")
            spans.append((len(before), stop if stop >= 0 else len(through.rstrip())))
        return spans

    def _render(self, messages: Sequence[Message], tools: Sequence[Any] | None, prompt: bool) -> tuple[str, list[Span]]:
        compiled = self._compiled
        from jinja2 import TemplateError

        chat = [_aliased({key: value for key, value in message.items() if value is not None}) for message in messages]
        environment: Any = compiled.environment
        values = {"messages": chat, "tools": tools, "documents": None, "add_generation_prompt": prompt}
        try:
            text = environment.within_limits(compiled, {**self.tokens, **values})
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise Refused(str(error) or type(error).__name__) from error
        except (RecursionError, MemoryError) as error:
            raise Refused(f"rendering needs too much memory ({type(error).__name__})") from error
        return text, list(environment.generated)


Span = tuple[int, int]
"""Characters of a text, from and to."""


def _odd(pieces: Sequence[str]) -> list[Span]:
    """Where every second piece stands in the whole."""
    spans, place = [], 0
    for number, piece in enumerate(pieces):
        if number % 2:
            spans.append((place, place + len(piece)))
        place += len(piece)
    return spans


def _mark(message: Message, inner: bool) -> Message:
    """The message with marks around its content, or inside the white space around its words."""
    words = message["content"].strip() if inner else message["content"]
    if not words:
        return message
    before, _, after = message["content"].partition(words)
    return {**message, "content": f"{before}{OPEN}{words}{CLOSE}{after}"}


def _aliased(message: Message) -> Message:
    """The names under which 5.x offers what a model thought before its answer."""
    thought = next((message[key] for key in _REASONING if key in message), None)
    return message if thought is None else {"thinking": thought, **message, "reasoning_content": thought}


@lru_cache(maxsize=64)
def _compile(source: str) -> Compiled:
    try:
        from jinja2 import TemplateError
    except ImportError as error:
        raise Missing("jinja2") from error
    environment = _environment()
    try:
        return environment.from_string(source)
    except (TemplateError, RecursionError, SyntaxError) as error:
        raise Refused(f"is no Jinja template: {error}") from error


def _environment() -> ImmutableSandboxedEnvironment:
    from doctor.chat.sandbox import Sandbox

    made = Sandbox(SIZE_LIMIT, LOOP_LIMIT)
    made.filters["tojson"] = _tojson
    made.globals["raise_exception"] = _raise
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> str:
    from jinja2 import TemplateError

    raise TemplateError(message)
