"""The answer holds nothing that was not meant for the reader: no system prompt, no template tokens, no other turns.

Why it matters: where the loss covers the system prompt, the end-of-turn token is wrong or training went on too long,
a model recites its prompt, writes `<|im_end|>`, or goes on with the user's next question.

How it scores: 0 for template tokens and role tags, 1 for instructions of the system prompt said word for word or for
most of it, 2 for an earlier turn said again. 10 otherwise: a phrase of the prompt is no bleed where it is a fact
about the persona told in the first person, stands in quotation marks, is part of the reference, or is what the
question asks for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from doctor.evaluate.model import Sample, Score, fine, unscored
from doctor.evaluate.turns import marks
from doctor.evaluate.words import Word, content, fold, quoted, sentences, short, within, words

TAGGED, RECITED, REPEATED = 0.0, 1.0, 2.0
INSTRUCTION = 5
"""From this many words on, an instruction said word for word is recited."""
ECHO = 8
"""From this many words on, a turn said again is a bleed."""
MOST = 0.6
"""The share of the system prompt that nobody quotes by chance."""

_IMPERATIVE = re.compile(
    r"^(?:[\"'(*-]\s*)?(?:(?:please|also|and|but|then)\s+)?(?:always|never|do\s+not|don't|answer|reply|respond|speak|write|keep|be|stay|use|avoid|only|if\s+(?:the|a|an|any\w*|some\w*|you|asked|they|it|he|she|not)|when\s+(?:the|a|asked|you)"
    r"|remember|make|give|tell|refuse|decline|help|act|pretend|say|talk|address|mention|include|limit|format|end|start|begin|sign|greet|call|ask|follow|ignore|reveal|under\s+no|no\s+matter|you\s+(?:must|should|will|may|can|always|never|are\s+(?:to|not|only|never|allowed))|the\s+(?:assistant|user|model)|your\s+(?:answers?|replies|responses?|task|job|role|goal|tone|style))\b"
)
_ADDRESSED = re.compile(r"\b(?:you|your|yours|yourself)\b")
_ABOUT_RULES = re.compile(
    r"\b(?:rules?|instruct\w*|prompt|guidelines?|allowed|told to|why (?:do|don't|won't|can't|are)"
    r"|how do you (?:answer|reply|speak|write)|supposed to|policy|asked to)\b"
)
_MINE = re.compile(
    r"\b(?:i|we|i'll|i'd|to|must|should|will|would|can|cannot|can't|me)\s+(?:always\s+|never\s+|also\s+)?$"
)
_AGAIN = re.compile(
    r"\b(?:repeat|again|recite|read (?:it|that) back|what did (?:i|you)|quote|word for word|say that|correct"
    r"|proofread|translate|rewrite|rephrase|summari[sz]e)\b"
)


def score(sample: Sample, text: str, finish: str) -> Score:
    """From what stands in the answer and in the turns before it."""
    if not text.strip():
        return unscored("the answer is empty")
    tags = marks(sample, text)
    if tags:
        first = tags[0]
        return Score(
            TAGGED,
            f"{first.kind} {short(text[first.start : first.end + 40], 60)!r}",
            tuple((m.start, m.end) for m in tags),
            "template",
        )
    for found in (_recited(sample, text), _repeated(sample, text)):
        if found:
            return found
    return fine("nothing of the prompt, the template or other turns")


def _recited(sample: Sample, text: str) -> Score | None:
    runs = [run for run in _runs(sample.system, text, 4) if not _granted(sample, text, run)]
    worst = [run for run in runs if _instructs(sample, text, run)]
    worst = worst or _whole(sample, text)
    if len(worst) == 1 and _own_words(text, worst[0]):
        worst = []
    share = sum(len(run.said) for run in runs if len(run.said) >= INSTRUCTION) / max(1, len(words(sample.system)))
    if not worst and not (share >= MOST and len(words(sample.system)) >= 25 and _verbatim(runs)):
        return None
    shown = worst or runs
    quote = short(text[shown[0].start : shown[0].end])
    return Score(
        RECITED, f"recites the system prompt: {quote!r}", tuple((run.start, run.end) for run in shown), "prompt"
    )


@dataclass(frozen=True)
class _Run:
    """Words that the answer shares with an earlier text: as they stand there, and here."""

    told: Sequence[Word]
    said: Sequence[Word]

    @property
    def start(self) -> int:
        return self.said[0].start

    @property
    def end(self) -> int:
        return self.said[-1].end


def _runs(earlier: str, text: str, least: int) -> list[_Run]:
    """The stretches of at least so many words that the answer shares with an earlier text, the longest first."""
    told, said = words(earlier), words(text)
    begins: dict[tuple[str, ...], list[int]] = {}
    for at in range(len(told) - least + 1):
        begins.setdefault(tuple(w.text for w in told[at : at + least]), []).append(at)
    found, here = [], 0
    while here <= len(said) - least:
        places = begins.get(tuple(w.text for w in said[here : here + least]), [])
        size, there = max(((_common(told[at:], said[here:]), at) for at in places), default=(0, 0))
        if size:
            found.append(_Run(told[there : there + size], said[here : here + size]))
        here += size or 1
    return sorted(found, key=lambda run: -len(run.said))


def _common(one: Sequence[Word], other: Sequence[Word]) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a.text != b.text), min(len(one), len(other)))


def _granted(sample: Sample, text: str, run: _Run) -> bool:
    """Whether the words may be said: the reference has them, they are quoted, or there as here in quotation marks."""
    wanted = "\n".join([sample.reference, sample.question, *(phrase for e in sample.must for phrase in e.texts)])
    if any(
        len(other.said) >= len(run.said) for other in _runs(wanted, text[run.start : run.end], min(4, len(run.said)))
    ):
        return True
    told = (run.told[0].start, run.told[-1].end)
    inside = within(*told, quoted(sample.system)) or within(run.start, run.end, quoted(text))
    return inside and len(run.said) < MOST * len(words(sample.system)) and _pieces(sample.system, told) < 2


def _pieces(text: str, span: tuple[int, int], like: re.Pattern[str] = re.compile("")) -> int:
    """How many sentences a span touches with more than two words, of those that begin in a certain way."""
    touched = (text[max(a, span[0]) : min(b, span[1])] for a, b in sentences(text) if a < span[1] and span[0] < b)
    return sum(len(words(part)) > 2 and bool(like.match(fold(part))) for part in touched)


def _instructs(sample: Sample, text: str, run: _Run) -> bool:
    """Whether what is shared tells the persona what to do or who to be, as only a prompt does."""
    told = sample.system[run.told[0].start : run.told[-1].end]
    if _ADDRESSED.search(fold(told)) and not (len(run.said) < 6 and _ABOUT_RULES.search(fold(sample.question))):
        return (
            not _AGAIN.search(fold(sample.question))
            or _pieces(sample.system, (run.told[0].start, run.told[-1].end)) > 1
        )
    if _pieces(sample.system, (run.told[0].start, run.told[-1].end), _IMPERATIVE) > 1:
        return True
    for start, end in sentences(sample.system):
        if not (start <= run.told[0].start < end or run.told[0].start <= start < run.told[-1].end):
            continue
        part = [w for w in run.told if start <= w.start < end]
        size = len(words(sample.system[start:end]))
        if _IMPERATIVE.match(fold(sample.system[start:end])) and len(part) >= INSTRUCTION and len(part) >= 0.5 * size:
            return not _asked_for(sample, sample.system[start:end]) or len(run.told) > 2 * size
    return False


def _own_words(text: str, run: _Run) -> bool:
    """Whether a short run is said as one's own: `I do not give weather forecasts`."""
    return len(run.said) <= 9 and bool(_MINE.search(fold(text[: run.start])))


def _asked_for(sample: Sample, instruction: str) -> bool:
    """Whether the question is about this very instruction."""
    return bool(_ABOUT_RULES.search(fold(sample.question)) and content(instruction) & content(sample.question))


def _whole(sample: Sample, text: str) -> list[_Run]:
    """Whole sentences of the answer that are whole instructions of the prompt, however short."""
    told = [
        words(sample.system[a:b]) for a, b in sentences(sample.system) if _IMPERATIVE.match(fold(sample.system[a:b]))
    ]
    found = []
    for start, end in sentences(text):
        said = [Word(w.text, w.start + start, w.end + start) for w in words(text[start:end])]
        same = next((one for one in told if [w.text for w in one] == [w.text for w in said]), None)
        if same and len(said) >= 3 and not _granted(sample, text, _Run(same, said)):
            found.append(_Run(same, said))
    return found or _several(sample, text, told)


def _several(sample: Sample, text: str, told: Sequence[Sequence[Word]]) -> list[_Run]:
    """Two instructions or more, whole, within the answer's own sentences: `I was told to be brief and never to lie`."""
    runs = [run for run in _runs(sample.system, text, 3) if not _granted(sample, text, run)]
    whole = [run for run in runs if any(_holds(run.said, one) for one in told)]
    return whole if len(whole) > 1 and not _ABOUT_RULES.search(fold(sample.question)) else []


def _holds(said: Sequence[Word], instruction: Sequence[Word]) -> bool:
    wanted = " ".join(word.text for word in instruction)
    return len(instruction) >= 3 and f" {wanted} " in f" {' '.join(word.text for word in said)} "


def _verbatim(runs: list[_Run]) -> bool:
    return max((len(run.said) for run in runs), default=0) >= 12


def _repeated(sample: Sample, text: str) -> Score | None:
    """An earlier turn said again, or the question itself before the answer."""
    if _AGAIN.search(fold(sample.question)):
        return None
    for message in sample.messages:
        mine = message.role == "assistant"
        for run in _runs(message.content, text, 5):
            whole = len(run.said) >= 0.8 * len(words(message.content))
            asks = (
                not mine
                and fold(message.content).rstrip().endswith("?")
                and text[run.end : run.end + 2].lstrip().startswith("?")
            )
            if within(run.start, run.end, quoted(text)) or not whole:
                continue
            if (mine and len(run.said) >= ECHO) or asks:
                what = "an earlier answer" if mine else "the question"
                return Score(
                    REPEATED,
                    f"says {what} again: {short(text[run.start : run.end])!r}",
                    ((run.start, run.end),),
                    "turn",
                )
    return None
