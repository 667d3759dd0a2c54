"""One prompt for every backend: rendered by doctor/chat from the model's own chat template, as token ids.

A server that takes messages only renders them itself; wherever the weights are at hand, what the model reads is decided
here, and is the same whoever computes the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from doctor.chat.conversation import Message
from doctor.chat.families import ENDS, TEMPLATES
from doctor.chat.template import Refused, Template
from doctor.chat.voice import listen
from doctor.evaluate.extras import needed
from doctor.evaluate.model import Sample
from doctor.evaluate.reading import contents
from doctor.settings import UsageError, nearest

Encode = Callable[[str], list[int]]
"""Text to token ids: control tokens in it are control tokens, and nothing is added."""
OWN = "token ids, rendered from the model's own chat template"
GIVEN = "token ids, rendered from the template {name!r} of the configuration"
MESSAGES = "messages, rendered by the server"


@dataclass(frozen=True)
class Prompt:
    """What the model reads of one sample; without ids where the template refuses the conversation, which `why` says."""

    ids: tuple[int, ...]
    why: str = ""

    @property
    def digest(self) -> str:
        """Names the prompt by its token ids."""
        return hashlib.sha256(" ".join(map(str, self.ids)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Prompts:
    """The prompt of every sample, and the texts of the tokens that end an answer to it."""

    by_id: Mapping[str, Prompt]
    ends: frozenset[str] = field(default_factory=frozenset)
    how: str = OWN

    def ended(self, text: str) -> str:
        """An answer without the token that ends it."""
        end = next((end for end in self.ends if text.endswith(end)), "")
        return text.removesuffix(end)


def conversation(sample: Sample) -> list[Message]:
    """A sample as messages."""
    system: list[Message] = [{"role": "system", "content": sample.system}] if sample.system else []
    return [*system, *({"role": turn.role, "content": turn.content} for turn in sample.messages)]


def chosen(named: str, own: str | None, tokens: Mapping[str, str], model: str) -> tuple[Template, str]:
    """The template to render with, and how to say so: the configuration's, else the model's own.

    `named` is a family of ours or a file of Jinja.  Raises UsageError where there is none.
    """
    needed("jinja2")
    if not named:
        if not own:
            raise UsageError(
                f"{model} brings no chat template: name the one it was trained with, `template: FILE.jinja` or one of "
                f"{', '.join(TEMPLATES)}"
            )
        return Template(own, tokens), OWN
    if named not in TEMPLATES and not Path(named).exists():
        hint = nearest(named, TEMPLATES) or f"; known are {', '.join(TEMPLATES)}"
        raise UsageError(f"'template' names {named!r}, which is neither a file nor a template of ours{hint}")
    return Template(TEMPLATES.get(named) or contents(Path(named), "the template"), tokens), GIVEN.format(name=named)


def prompts(samples: Iterable[Sample], template: Template, encode: Encode, how: str = OWN) -> Prompts:
    """Every sample's prompt; raises UsageError where the template renders none of them."""
    found: dict[str, Prompt] = {}
    for sample in samples:
        try:
            found[sample.id] = Prompt(tuple(encode(template.render(conversation(sample), prompt=True))))
        except Refused as error:
            found[sample.id] = Prompt((), f"the chat template refuses the conversation: {error}")
    if found and not any(prompt.ids for prompt in found.values()):
        raise UsageError(f"{next(iter(found.values())).why}; and so every other")
    ends = {template.tokens.get("eos_token", ""), ending(template)} | ENDS
    return Prompts(found, frozenset(ends - {""}), how)


def ending(template: Template) -> str:
    """The token that the template writes behind an answer; empty where it writes none."""
    known = {*template.tokens.values(), *ENDS}
    try:
        return listen(template, known).end
    except Refused:
        return ""
