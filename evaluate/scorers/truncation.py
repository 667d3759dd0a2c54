"""The answer is finished, and the model ended it itself.

Why it matters: an answer cut by the limit of tokens wants a higher limit; a model that never stops was not taught its
end-of-turn token; a sentence the model itself leaves unfinished was trained on answers that were cut.

How it scores: 1 where the limit cut a sentence, 0 where the limit was reached long after the answer was complete (it
goes round in circles or writes the next turn), 4 where the limit was reached just behind a sentence, 2 where the
model stopped within one. 10 otherwise: names, numbers, list items, verse and code need no full stop.
"""

from __future__ import annotations

import re

from doctor.evaluate.loops import ends_in_loop
from doctor.evaluate.model import Sample, Score, fine, unscored
from doctor.evaluate.turns import own
from doctor.evaluate.words import fold, listed, sentences, short, words

CUT, ENDLESS, REACHED, STOPPED = 1.0, 0.0, 4.0, 2.0
LONG = 8
"""Words from which on a sentence without its full stop is taken for unfinished."""

_OPEN_WORDS = listed(
    "then the a an of to and or but nor with without from into onto in at by for as than because that which who "
    "whose where when while although though unless until if is are was were am be been being have has had my "
    "your his her their our its this these very such so not i we they he she you will would can could should "
    "may might must do does did about between under upon during through towards toward whether since before "
    "after every each some any both either neither"
)
_MAY_END = listed(
    "that this is are was were am be been have has had will would can could should may might must do does did "
    "so not i we they he she you in at by for with to from of about through before after since if when where "
    "both either neither each some any than under without her his"
)
_MAY_CLOSE = re.compile(
    r"^\W*(?:[\w']+\W+){0,3}[\w']+$|\b(?:who|what|where|how|which|why|whether|than|as|so|yes|no|nor|neither|like|all)\b[^.!?]*$"
    r"|\b(?:whom|one|something|someone|somebody|anything|nothing|place|way|thing)\b[^.!?]*$"
)
"""Sentences that may end in such a word: `Yes, I am`, `the one I live with`."""
_DONE = re.compile(
    r"(?:[.!?…。！？]|\.\.\.)[\"'”’»)\]*_~`]*$|```$|[:;=]-?[)D(P]$|[\U0001F300-\U0001FAFF\u2600-\u27BF\uFE0F♥]$|https?://\S+$"
)
_ITEM = re.compile(r"^\s*(?:[-*•·]|\d+[.)]|[a-z][.)])\s+\S")


def score(sample: Sample, text: str, finish: str) -> Score:
    """From how the text ends and how the model finished."""
    if not text.strip():
        return unscored("the answer is empty")
    answer = own(sample, text).rstrip()
    if finish == "length" and (len(answer) < len(text.rstrip()) or ends_in_loop(text)):
        how = "writes the next turn" if len(answer) < len(text.rstrip()) else "goes round in circles"
        return Score(ENDLESS, f"never stops: it {how} until the limit of tokens", _tail(text), "endless")
    if len(answer) == len(text.rstrip()) and finish != "length" and ends_in_loop(answer):
        return fine("goes round in circles: see repetition")
    why = unfinished(sample, answer, finish)
    if finish == "length":
        cut = (
            f"cut by the limit of tokens: {why}" if why else f"ended by the limit of tokens just behind {_end(answer)}"
        )
        return Score(CUT if why else REACHED, cut, _tail(answer), "cut")
    if why:
        by = "the model stopped within a sentence" if finish == "stop" else "unfinished"
        return Score(STOPPED, f"{by}: {why}", _tail(answer), "stopped")
    return fine(f"ends with {_end(answer)}")


def _tail(text: str) -> tuple[tuple[int, int], ...]:
    end = len(text.rstrip())
    return ((max(0, end - 40), end),)


def _end(text: str) -> str:
    return repr(short(text[-30:] if len(text) <= 30 else text[-30:].partition(" ")[2] or text[-30:], 30))


def unfinished(sample: Sample, text: str, finish: str) -> str:
    """Why the last sentence is not finished; empty where it is, or where nobody can tell."""
    if text.count("```") % 2:
        return "a block of code is not closed"
    last = text.splitlines()[-1].strip()
    if re.fullmatch(r"(?:[-*•·]|\d+[.)])", last):
        return f"the list item {last!r} is empty"
    if _DONE.search(text):
        return ""
    if text[-1] in "#$%^&*~@|\\":
        return ""
    if text[-1] in ',;:-–—([{"“«&/' and not re.search(r"\w[\"”]$", text):
        return f"it ends with {_end(text)}"
    final = [word for word in words(text[text.rfind("\n") + 1 :])]
    if not final:
        return ""
    return _word_left(sample, text, final[-1].text) or _sentence_left(text, last, len(final), finish)


def _word_left(sample: Sample, text: str, last: str) -> str:
    if last in _OPEN_WORDS and not (last in _MAY_END and _MAY_CLOSE.search(fold(text))):
        return f"it ends with the word {last!r}"
    known = {
        w.text
        for part in (sample.truth, sample.question, text[: -len(last)], *(t for e in sample.must for t in e.texts))
        for w in words(part)
    }
    whole = next(
        (word for word in sorted(known) if word.startswith(last) and last not in known and len(word) - len(last) < 8),
        None,
    )
    if (
        whole
        and len(last) >= 3
        and len(words(text)) >= 5
        and whole.removesuffix("'s") != last
        and whole not in (f"{last}s", f"{last}es")
    ):
        return f"it ends with {last!r}, the beginning of {whole!r}"
    return ""


def _sentence_left(text: str, last: str, length: int, finish: str) -> str:
    """A long sentence without its stop, in prose that has them; verse, lists and bare phrases end as they like."""
    lines = [line for line in text.splitlines() if line.strip()]
    if _ITEM.match(last) or (len(lines) > 2 and sum(not _DONE.search(line.strip()) for line in lines) > len(lines) / 2):
        return ""
    spans = sentences(text)
    before = [text[a:b] for a, b in spans[:-1]]
    tail = words(text[spans[-1][0] :])
    stopped = bool(before) and all(_DONE.search(part) for part in before)
    signed = "\n" in text and len(tail) <= 4
    if stopped and not signed and len(tail) >= 2:
        return f"its last sentence has no end: {short(text[spans[-1][0] :], 60)!r}"
    if not before and finish != "stop" and len(tail) >= LONG and text[spans[-1][0]].isupper():
        return f"its only sentence has no end: {short(text, 60)!r}"
    return ""
