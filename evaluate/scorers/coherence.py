"""The answer is language, and does not contradict itself.

Why it matters: a learning rate that is too high, weights loaded wrongly or a quantisation gone bad make word salad,
broken characters or nothing at all.

How it scores: 0 for an empty answer, broken characters and strings that are no words; 1 for words without the small
words that join them, or one that denies its own sentence; 10 otherwise. Single words, names, lists, code, numbers and
other scripts are language too. How words join is read in languages written in Latin letters.
"""

from __future__ import annotations

import re
from itertools import pairwise

from doctor.evaluate.model import Sample, Score, fine
from doctor.evaluate.statements import clashes, statements
from doctor.evaluate.words import NUMBERS, STOPWORDS, listed, short, words

NOTHING, SALAD = 0.0, 1.0
_BROKEN = re.compile(
    r"\ufffd|(?:Ã[\x80-\xbf©¨¤¶¼±³º¢]|â€[™œ\x9d¦“”˜]?|Â[\xa0°´»«£])|[\ue000-\uf8ff]|[\x00-\x08\x0e-\x1f]"
)
_VOWELS = re.compile(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüœ]", re.IGNORECASE)
_LETTERS = re.compile(r"[A-Za-zÀ-ÿ]{2,}")
_SCRIPTS = {
    "Latin": re.compile(r"[A-Za-zÀ-ɏ]{2,}"),
    "Cyrillic": re.compile(r"[Ѐ-ӿ]{2,}"),
    "Han": re.compile(r"[\u4e00-\u9fff]{1,}"),
    "Arabic": re.compile(r"[\u0600-\u06ff]{2,}"),
    "Hangul": re.compile(r"[\uac00-\ud7af]{1,}"),
    "Devanagari": re.compile(r"[\u0900-\u097f]{2,}"),
    "Greek": re.compile(r"[\u0370-\u03ff]{3,}"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]{2,}"),
    "Thai": re.compile(r"[\u0e00-\u0e7f]{2,}"),
}
_SIGNS_MEANT = re.compile(
    r"\d\s*[-+*/^=<>]|\|\s*-|\\[a-z(\[]|[\U0001F300-\U0001FAFF]|^\s*[-=*_]{3,}\s*$|[({\[]\s*[)}\]]\s*[;{]", re.M
)
_CODE = re.compile(r"```.*?(?:```|$)|`[^`\n]+`|https?://\S+", re.DOTALL)


def score(sample: Sample, text: str, finish: str) -> Score:
    """From the letters, the words and the sentences."""
    if not text.strip():
        return Score(NOTHING, "the answer is empty")
    prose = _CODE.sub(lambda code: " " * len(code[0]), text)
    found = _broken(prose) or _scripts(sample, prose) or _no_words(prose) or _salad(sample, prose) or _self_denied(text)
    return found or fine("reads as language")


def _broken(text: str) -> Score | None:
    found = list(_BROKEN.finditer(text))
    if not found:
        return None
    around = text[max(0, found[0].start() - 15) : found[0].end() + 15]
    return Score(NOTHING, f"holds broken characters: {short(around)!r}", tuple(match.span() for match in found))


def _scripts(sample: Sample, text: str) -> Score | None:
    """Three or more writing systems in one answer, which no question called for."""
    asked = " ".join([sample.truth, *(message.content for message in sample.messages)])
    found = {
        name: pattern.search(text) for name, pattern in _SCRIPTS.items() if not pattern.search(asked) or name == "Latin"
    }
    strange = [match for match in found.values() if match]
    if len(strange) < 3:
        return None
    quotes = ", ".join(repr(match[0]) for match in strange)
    return Score(NOTHING, f"mixes writing systems: {quotes}", tuple(match.span() for match in strange))


def _no_words(text: str) -> Score | None:
    """Strings of letters that nobody can say, or next to no letters at all."""
    found = [match for match in _LETTERS.finditer(text)]
    odd = [m for m in found if len(m[0]) > 30 or _unsayable(m[0])]
    if len(odd) >= 3 and len(odd) > 0.3 * len(found):
        return Score(
            NOTHING,
            f"holds what are no words: {', '.join(repr(m[0][:20]) for m in odd[:4])}",
            tuple(m.span() for m in odd),
        )
    shown = re.sub(r"\s", "", text)
    letters = sum(character.isalnum() for character in shown)
    if len(shown) >= 12 and letters < 0.5 * len(shown) and not _SIGNS_MEANT.search(text):
        return Score(NOTHING, f"is mostly signs: {short(text, 50)!r}", ((0, len(text)),))
    return None


def _unsayable(word: str) -> bool:
    return (
        len(word) >= 4
        and not word.isupper()
        and (not _VOWELS.search(word) or bool(re.search(r"[bcdfghjklmnpqrstvwxz]{6,}", word, re.IGNORECASE)))
    )


def _salad(sample: Sample, text: str) -> Score | None:
    """A long sentence of English words with none of the small words that join them, or of small words only."""
    for statement in statements(text):
        said = [word.text for word in words(statement.text)]
        if len(said) < 9 or re.search(r"[,:;|/•\-=]|\d", statement.text):
            continue
        share = sum(word in STOPWORDS for word in said) / len(said)
        latin = all(re.fullmatch(r"[a-z']+", word) for word in said)
        if latin and _english(sample, text) and (share < 0.12 or share > 0.9) and len(set(said)) > 3:
            return Score(
                SALAD, f"strings words together: {short(statement.text)!r}", ((statement.start, statement.end),)
            )
        pairs = sum(a == b for a, b in pairwise(said))
        if pairs >= 3 and len(set(said)) > 5:
            return Score(SALAD, f"stammers: {short(statement.text)!r}", ((statement.start, statement.end),))
    return None


_FOREIGN = listed(
    "der die das und ist nicht ein eine ich sie wir den dem von mit auf le la les et est un une je il elle nous vous "
    "dans pour el los las es una yo que por con se del di che per non sono och att det som jag han hon vi av pa til og "
    "ikke het een van niet ik wij os um uma eu nao para com na nie jest ja su bir ve bu ile"
)
"""Small words of other languages: a text that has them is not English without its own."""


def _english(sample: Sample, text: str) -> bool:
    """Whether the words are English: they end so, or the sample has them, and no other language's are there."""
    said = [word.text for word in words(text)]
    if sum(word in _FOREIGN for word in said) >= 2:
        return False
    turns = " ".join(
        [sample.truth, *(message.content for message in sample.messages), *(t for e in sample.must for t in e.texts)]
    )
    told = {word.text for word in words(turns)} | STOPWORDS | set(NUMBERS)
    known = sum(word in told or bool(_ENDING.search(word)) for word in said)
    return known >= 0.15 * len(said)


_ENDING = re.compile(r"(?:ing|ed|ly|tion|ness|ful|ght|th|ck|sh|ee|oo|ow)$|^(?:wh|th|sh|kn|wr)")


def _self_denied(text: str) -> Score | None:
    """A sentence that denies an earlier one of the same answer."""
    found = statements(text)
    for at, claim in enumerate(found[1:], 1):
        for _, why in clashes(text[: found[at - 1].end], claim.text):
            quote = short(claim.text, 60)
            return Score(SALAD, f"says {quote!r} {why.replace('it is known', 'it said')}", ((claim.start, claim.end),))
    return None
