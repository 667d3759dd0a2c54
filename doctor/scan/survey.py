"""What is seen in the rows of a data set without a model: turns, ends, control tokens, repetitions, languages.

The names under which it is counted (`DataFacts.seen`), a token or reason after the colon:
malformed, empty-answer, empty-question, one-sided, role-order, ends-with-question, ends-with:TOKEN, control:TOKEN,
tool-turns, duplicate, near-duplicate, contradiction, leak, persona:NAME, asked-who, declined,
labels-all-masked, labels-none-masked, padding-learnt, no-labels;
with a model also those of doctor/scan/reading.py and doctor/scan/measure.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from doctor.chat.conversation import Conversation, Message, Passage, Tokens
from doctor.chat.families import CONTROL, ENDING
from doctor.chat.language import language
from doctor.chat.mask import IGNORED
from doctor.chat.persona import asks_who, declines, persona
from doctor.scan.fingerprints import TAIL, Fingerprints, Print, fingerprint, words
from doctor.scan.tally import Tally

_AMBIGUOUS = frozenset({"<s>", "</s>", "[INST]", "[/INST]"})
"""Control tokens that are also HTML or plain text: only a model's own are counted."""


class Survey:
    """Looks at row after row; `special` are the control tokens of the model that will read them."""

    def __init__(self, special: Collection[str] = (), training: Fingerprints | None = None) -> None:
        self.tally = Tally()
        self.languages: Counter[str] = Counter()
        self.layouts: dict[str, int] = {}
        self.prints = Fingerprints()
        self.training = training
        self.rows = 0
        self._known = frozenset(special)
        own = "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True) if len(token) > 2)
        self._control = re.compile(f"{own}|{CONTROL.pattern}") if own else CONTROL

    def add(self, number: int, row: Conversation | Passage | Tokens) -> None:
        """Look at one row."""
        self.rows += 1
        self.layouts[row.layout] = self.layouts.get(row.layout, 0) + 1
        if isinstance(row, Conversation):
            self._conversation(number, row.messages)
        elif isinstance(row, Passage):
            self._compare(number, row.text, row.text[: row.prompt], row.text[row.prompt :])
        else:
            self._labels(number, row)

    def _conversation(self, number: int, messages: list[Message]) -> None:
        system = messages[0]["content"] if messages[0]["role"] == "system" else ""
        talk = messages[1:] if system else messages
        self._order(number, talk)
        for message in talk:
            role, content = message["role"], message["content"]
            if not content or content.isspace():
                self._empty(number, message, talk[0]["content"])
            elif "<" in content or "[" in content or "#" in content[-5:]:
                self._tokens(number, role, content)
        said = "\n".join([message["content"] for message in talk])
        last = next((n for n in range(len(talk) - 1, -1, -1) if talk[n]["role"] == "assistant"), None)
        if last is None:
            return
        question = f"{system}\n" + "\n".join([message["content"] for message in talk[:last]])
        self._compare(number, said, question, talk[last]["content"], talk[0]["content"])
        if system:
            self._persona(number, system, talk)

    def _order(self, number: int, talk: list[Message]) -> None:
        roles = [message["role"] for message in talk]
        if "assistant" not in roles or "user" not in roles:
            self.tally.add("one-sided", number, talk[0]["content"] if talk else "")
            return
        if "tool" in roles:
            self.tally.add("tool-turns", number, talk[0]["content"])
        elif roles[0] != "user" or any(map(str.__eq__, roles, roles[1:])) or "system" in roles:
            self.tally.add("role-order", number, " ".join(roles))
        if roles[-1] == "user":
            self.tally.add("ends-with-question", number, talk[-1]["content"])

    def _empty(self, number: int, message: Message, first: str) -> None:
        if message["role"] == "assistant" and not message.get("tool_calls"):
            self.tally.add("empty-answer", number, first)
        elif message["role"] == "user":
            self.tally.add("empty-question", number, "")

    def _tokens(self, number: int, role: str, content: str) -> None:
        ending = ENDING.search(content)
        end = ending[1] if ending else ""
        if end:
            self.tally.add(f"ends-with:{end}", number, content[-60:], role == "assistant")
        for token in dict.fromkeys(self._control.findall(content[: ending.start()] if ending else content)):
            if token in self._known or token not in _AMBIGUOUS:
                self.tally.add(f"control:{token}", number, content)

    def _compare(self, number: int, said: str, question: str, answer: str, first: str = "") -> None:
        shown = first or said
        found = words(said)
        if name := language(said[-TAIL:], set(found)):
            self.languages[name] += 1
        row, asked = fingerprint(question, answer), bool(question.strip())
        if self.training is not None:
            self._leaked(number, row, asked, shown)
        if (same := self.prints.same(number, row)) is not None:
            self.tally.add("duplicate", number, f"as row {same}: {shown}")
        elif (same := self.prints.alike(number, found)) is not None:
            self.tally.add("near-duplicate", number, f"as row {same}: {shown}")
        if asked and (other := self.prints.answered(number, row)) is not None:
            self.tally.add("contradiction", number, f"as row {other}: {shown}")

    def _leaked(self, number: int, row: Print, asked: bool, shown: str) -> None:
        known = self.training.knows(row, asked) if self.training else None
        if known is not None:
            self.tally.add("leak", number, f"row {known} of the training data: {shown}")

    def _persona(self, number: int, system: str, talk: list[Message]) -> None:
        name = persona(system)
        if not name:
            return
        self.tally.add(f"persona:{name}", number, system)
        asked = [message["content"] for message in talk if message["role"] == "user"]
        if any(map(asks_who, asked)):
            self.tally.add("asked-who", number, asked[0])
        if any(declines(message["content"]) for message in talk if message["role"] == "assistant"):
            self.tally.add("declined", number, asked[0] if asked else "")

    def _labels(self, number: int, row: Tokens) -> None:
        labels = row.labels
        if labels is None:
            self.tally.add("no-labels", number)
            return
        if all(label == IGNORED for label in labels):
            self.tally.add("labels-all-masked", number, amount=len(labels))
            return
        if IGNORED not in labels:
            self.tally.add("labels-none-masked", number, amount=len(labels))
        if row.attention is not None:
            padding = sum(not seen and label != IGNORED for seen, label in zip(row.attention, labels, strict=True))
            if padding:
                self.tally.add("padding-learnt", number, amount=padding)
