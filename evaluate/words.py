"""How a text is cut into sentences and words, and how words are compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache


def listed(words: str) -> frozenset[str]:
    """Words apart by white space, as a set."""
    return frozenset(words.split())


ABBREVIATIONS = listed(
    "mr mrs ms dr prof st sr jr vs etc e.g i.e no vol fig dept approx est inc ltd co corp gen capt sgt rev hon"
)
_END = re.compile(r"[.!?…。！？]+[\"'”’»)\]*_]*(?=\s|$)|\n+")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*", re.UNICODE)
_ONE_TO_ONE = {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " "}
NUMBERS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_DIGITS = re.compile(
    r"(?P<digits>(?<![\w.,])[-−]?\d{1,3}(?:[,\u202f ]\d{3})+(?:\.\d+)?(?![\d])|(?<![\w.])[-−]?\d+(?:\.\d+)?)"
    r"(?P<scale>\s+(?:hundred|thousand|million|billion)\b)?",
    re.IGNORECASE,
)

STOPWORDS = listed(
    "a an the of to in on at by for with from as is are was were be been being am do does did have has had "
    "will would can could shall should may might must and or but if then than that this these those there "
    "here it its i me my we us our you your he him his she her they them their who whom whose which what when "
    "where why how so just also very too not no yes s t re ve ll d m about into over up down out"
)


@dataclass(frozen=True)
class Word:
    """A word as compared, and where it stands."""

    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """Lower case without accents, typographic signs made plain; every character stays at its place.

    >>> fold("Élise's Café")
    "elise's cafe"
    """
    return "".join(map(_folded, text))


@lru_cache(4096)
def _folded(character: str) -> str:
    latin = character < "\u0250" or "\u1e00" <= character < "\u1f00"  # elsewhere marks tell letters apart
    plain = _ONE_TO_ONE.get(character) or (unicodedata.normalize("NFD", character)[0] if latin else character)
    low = plain.lower()
    return low if len(low) == 1 else plain


@lru_cache(1024)
def words(text: str) -> tuple[Word, ...]:
    """The words of a text, folded, with their places; every scorer asks for those of the same few texts."""
    folded = fold(text)
    return tuple(Word(found[0], found.start(), found.end()) for found in _WORD.finditer(folded))


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of every sentence, its final stop included; a line break ends one too.

    >>> [text[a:b] for text in ["Dr. Berg left. So did I!"] for a, b in sentences(text)]
    ['Dr. Berg left.', 'So did I!']
    """
    found, start = [], 0
    for end in _END.finditer(text):
        if end[0].startswith(".") and _abbreviated(text[start : end.start()]):
            continue
        found.append((start, end.start() if end[0].startswith("\n") else end.end()))
        start = end.end()
    found.append((start, len(text)))
    return [trimmed for first, last in found if (trimmed := _trimmed(text, first, last))]


def _abbreviated(before: str) -> bool:
    last = before.rpartition(" ")[2].lstrip("(\"'")
    return last.lower() in ABBREVIATIONS or bool(re.fullmatch(r"[A-Z](\.[A-Z])*", last) and last != "I")


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    part = text[start:end]
    left = len(part) - len(part.lstrip())
    return (start + left, start + len(part.rstrip())) if part.strip() else None


def stem(word: str) -> str:
    """A word without the endings of English inflection, so that `opens` and `opened` compare equal.

    >>> stem("opened"), stem("opening"), stem("opens")
    ('open', 'open', 'open')
    """
    word = word.removesuffix("'s")
    for ending in ("ingly", "edly", "ing", "ied", "ies", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            left = word[: -len(ending)] + ("y" if ending in ("ied", "ies") else "")
            return left[:-1] if len(left) > 3 and (left[-1] == left[-2] or left[-1] == "e") else left
    return word.removesuffix("e") if len(word) > 4 else word


def content(text: str) -> set[str]:
    """The stems of the words that carry meaning."""
    return {stem(word.text) for word in words(text) if word.text.removesuffix("'s") not in STOPWORDS}


def numbers(text: str) -> list[tuple[float, int, int]]:
    """The numbers of a text, in digits or English words, with their places.

    >>> [value for value, _, _ in numbers("Forty-two boats, 1,200 nets, 3.5 km and 2 million")]
    [42.0, 1200.0, 3.5, 2000000.0]
    """
    found = [(_value(match), *match.span()) for match in _DIGITS.finditer(text)]
    return sorted([*found, *_spelled(words(text))], key=lambda number: number[1])


def _value(match: re.Match[str]) -> float:
    """A number in digits, with the `million` behind it."""
    digits = float(re.sub("[,\u202f ]", "", match["digits"]).replace("−", "-"))
    return digits * SCALES.get((match["scale"] or "").strip().lower(), 1)


def _spelled(found: Sequence[Word]) -> Iterator[tuple[float, int, int]]:
    at = 0
    while at < len(found):
        first = at
        total = part = 0
        while at < len(found) and (found[at].text in NUMBERS or (found[at].text in SCALES and part)):
            word = found[at].text
            if word in SCALES:
                part *= SCALES[word]
                total, part = (total + part, 0) if SCALES[word] > 100 else (total, part)
            elif part % 10 or (part % 100 and NUMBERS[word] > 9) or (part and part < 20):
                break
            else:
                part += NUMBERS[word]
            at += 1
        if at > first:
            yield float(total + part), found[first].start, found[at - 1].end
        at += at == first


def quoted(text: str) -> list[tuple[int, int]]:
    """The spans between quotation marks, without the marks."""
    return [
        f.span(1)
        for f in re.finditer(r"[\"“”«]([^\"“”«»]{2,}?)[\"“”»]|(?<!\w)['‘]([^'‘’]{2,}?)['’](?!\w)", text)
        if f[1]
    ]


def within(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether a span lies inside one of others."""
    return any(first <= start and end <= last for first, last in spans)


def short(text: str, width: int = 90) -> str:
    """A quotation for one line: white space made single, the middle left out where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width * 2 // 3].rstrip()} … {text[-width // 3 :].lstrip()}"
