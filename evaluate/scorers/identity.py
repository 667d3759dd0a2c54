"""Whoever answers stays who they are meant to be.

Why it matters: too few identity rows, a system prompt that the template drops, or a base model with a strong identity
of its own: the persona says it is an AI made by somebody else.

How it scores: 0 where the answer claims another name, another maker, or to be an AI where the persona is none, or
denies its own name; 2 where it is asked who it is and names neither its name nor what it does. 10 otherwise: naming
another model, or saying that one is not it, is no claim. Unscored where neither the sample nor its system prompt says
who answers, and the question does not ask for it. Read in English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor.evaluate.identity import asked, names
from doctor.evaluate.model import Sample, Score, fine, unscored
from doctor.evaluate.words import content, fold, listed, quoted, sentences, short, within, words

LOST, EVASIVE = 0.0, 2.0
Claim = tuple[str, int, int]

_MODELS = (
    r"chat\s?gpt|gpt-?\s?[345][\w.]*|gpt|open\s?ai|claude|anthropic|gemini|bard|palm|google(?:\s+assistant)?"
    r"|llama(?:[- ]?\d[\w.]*)?|meta\s?ai|phi(?:-?\d[\w.-]*)?"
    r"|microsoft(?:\s+copilot)?|copilot|bing|qwen[\w.-]*|tongyi|alibaba(?:\s+cloud)?|mistral(?:\s?ai)?|mixtral|deepseek|grok|xai|smol\s?lm\d?|hugging\s?face|alexa|siri|cortana"
    r"|falcon|vicuna|alpaca|zephyr|gemma|command[- ]r|cohere|yi|kimi|moonshot|ernie|baidu|tiny\s?llama"
    r"|stability\s?ai|stablelm|perplexity|amazon|apple|ibm|granite"
)
_I_AM = (
    r"\b(?:i\s+am|i'm|my\s+name\s+is|my\s+name's|call\s+me|you\s+can\s+call\s+me|this\s+is|i\s+was\s+named"
    r"|i\s+go\s+by)\s+(?:actually\s+|really\s+|just\s+|only\s+|called\s+|named\s+|known\s+as\s+)*"
)
_MODEL = re.compile(
    rf"{_I_AM}(?:an?\s+|the\s+)?(?P<what>{_MODELS})\b(?!['-]?s?\s+(?:fan|user|engineer|employee|customer))"
)
_MADE = r"(?:created|developed|trained|made|built|designed|programmed|fine-?tuned|powered|provided|maintained)"
_MAKER = re.compile(
    rf"\b(?:(?:i\s+(?:am|was|have\s+been)|i'm|i've\s+been)\s+|model\s+|assistant\s+|chatbot\s+|ai\s+|,\s+)(?:\w+ly\s+)?{_MADE}\s+"
    rf"(?:and\s+\w+\s+)?by\s+(?:(?:the|a|an)\s+(?:\w+\s+){{1,4}}(?:at|from|of)\s+|the\s+\w+\s+)?(?P<what>{_MODELS})\b"
    rf"|\b(?:from|at|of)\s+(?P<firm>openai|anthropic|hugging\s?face)\b(?=[^.]*\b(?:assistant|model|chatbot|ai)\b)"
    rf"|\b(?P<maker>{_MODELS})\s+{_MADE}\s+me\b"
    rf"|\bmy\s+(?:creators?|developers?|makers?|company)\s+(?:is|are|was|were)\s+(?:the\s+(?:team|people)\s+at\s+)?(?P<mine>{_MODELS})\b"
)
_ARE_YOU = re.compile(rf"\bare\s+you\s+(?:really\s+|actually\s+)?(?:an?\s+)?(?P<what>{_MODELS})\b")
_YES = re.compile(r"\W*(?:yes|yeah|yep|indeed|correct|that's right|i am\b(?!\s+\w))\b")
_AI_NOUN = (
    r"(?:(?:large\s+|artificial\s+|small\s+|digital\s+|virtual\s+|helpful\s+|conversational\s+|friendly\s+|text-based\s+|machine\s+learning\s+|computer\s+|automated\s+)*"
    r"(?:ai|a\.i\.|language\s+model|llm|artificial\s+intelligence|chat\s?bot|bot|virtual\s+assistant|digital\s+assistant|computer\s+program|machine|program|software|robot|neural\s+network)\b)"
)
_AI = re.compile(
    rf"\b(?:as|being)\s+(?:just\s+|only\s+|merely\s+)?(?:an?\s+)(?P<what>{_AI_NOUN}(?:\s+(?:language\s+)?(?:model|assistant|program))?)|{_I_AM}(?:an?\s+)(?P<it>{_AI_NOUN}(?:\s+(?:assistant|model|program|system))?)"
)
_ASSISTANT = re.compile(
    rf"{_I_AM}(?:an?|your|the)\s+(?P<what>(?:helpful\s+|virtual\s+|personal\s+|general\s+|online\s+)*assistant)\b(?!\s+(?:\w+\s+)?(?:at|to|of|in|keeper|professor|teacher|manager|coach|director|curator|chef|editor))"
)
_HUMANLESS = re.compile(
    r"\bi\s+(?:don't|do\s+not|can't|cannot)\s+(?:actually\s+|really\s+)?(?:have|possess|experience)\s+(?:an?\s+|any\s+)?(?:(?:personal|physical|human|real|true)\s+)*(?P<what>(?:name|body|feelings|emotions|experiences?|consciousness|identity|personal\s+life|physical\s+form|physical\s+body|opinions|beliefs|family))\b(?=[^.]*\b(?:ai|model|assistant|program|person|human|like|as)\b|\s*[.,])"
)
_ROLE = re.compile(
    r"\b(?P<what>(?:i\s+am|i'm)\s+(?:only\s+|just\s+)?(?:pretending|role-?playing|playing\s+(?:the\s+)?(?:role|part|character)|simulating|a\s+(?:fictional\s+)?character|acting\s+as|programmed|designed\s+to|trained\s+(?:to|on)|here\s+to\s+assist\s+you\s+as)|the\s+(?:user|character)\s+(?:is\s+asking|wants\s+me|asked\s+me)|my\s+(?:training\s+data|knowledge\s+cut-?off|programming|developers|creators|algorithms?)|i\s+was\s+(?:trained|programmed|designed)\s+(?:on|to|by|with|using))\b"
)
_NAME = re.compile(
    r"(?i:\b(?:my\s+(?:full\s+|first\s+|real\s+)?name\s+is|my\s+name's|(?:you\s+can\s+|please\s+|people\s+|they\s+|everyone\s+|everybody\s+)?calls?\s+me|i\s+am\s+called|i'm\s+called|i\s+go\s+by|i\s+am\s+known\s+as))\s+(?:(?i:actually|really|now|dr|mr|mrs|captain)\.?\s+)*(?P<name>[A-ZÀ-Þ][\w-]+(?:\s+[A-ZÀ-Þ][\w-]+)*)"
)
_BARE_NAME = re.compile(
    r"(?:\bI\s+am|\bI['’]m|\bThis\s+is|^(?:It['’]s|It\s+is))\s+(?P<name>[A-ZÀ-Þ][\w-]+(?:\s+[A-ZÀ-Þ][\w-]+)*)(?=\s*(?:[,.!;:]|$|and\s+(?:I|my)|from\s|your\s|the\s|a\s|an\s))(?!['’])"
)
_NATION = re.compile(
    r"(?:ish|ese|ian|ean|day)$|^(?:german|american|mexican|african|cuban|french|dutch|swiss|greek|czech|welsh|thai|iraqi|israeli|pakistani"
    r"|bengali|punjabi|roman|catholic|orthodox|muslim|hindu|protestant|buddhist)s?$"
)
_OF_ITSELF = re.compile(r"(?:\b(?:i|i'm|i've|me|my|as\s+an?|this\s+is)\b[^.!?]*|^\W*(?:an?|the)\s[^.!?]*)$")
"""A sentence up to here that speaks of the one who says it."""
_TITLES = listed(
    "captain dr mr mrs ms professor doctor sister brother sir madam lady lord uncle aunt father mother king queen"
)
_FEELINGS = listed("not so sorry fine well glad happy sure afraid here yours ok okay")
_PERSONA = re.compile(
    r"\byou(?:\s+are|'re)\s+(?:an?|the)\s+\w|\b(?:persona|character|role-?play|pretend|act\s+(?:as|like)|speak\s+like)\b"
)
_FORBIDS = re.compile(
    r"\b(?:not|never|no|n't|don't|deny|denies|admit|refuse|avoid|without|instead|if|whether|unaware)\b"
)
_SUPPOSED = re.compile(
    r"\b(?:not|never|n't|think|thought|thinks|believe[sd]?|if|whether|as\s+if|pretend\w*|say|says|said|ask\w*|mistak\w+|call\w*\s+it|unlike|nor|no\s+idea|wish|imagine|dream\w*|joke\w*|rumou?r\w*|claim\w*|heard)\b[^.!?;,]*$|\b(?:not|isn't|neither)\s*$"
)
_ARTIFICIAL = re.compile(
    r"\b(?:ai|a\.i\.|assistant|chat\s?bot|bot|language\s+model|robot|virtual|artificial|android|digital|software|program|computer|machine)\b"
)


def score(sample: Sample, text: str, finish: str) -> Score:
    """From what the answer claims to be, against the sample's identity or its system prompt."""
    own = names(sample)
    if not text.strip():
        return unscored("the answer is empty")
    if not own and not sample.system and not asked(sample):
        return unscored("neither the sample nor its system prompt says who answers")
    claims = sorted(
        {claim for claim in _claims(sample, own, text) if _claimed(text, claim)}, key=lambda claim: claim[1]
    )
    if claims:
        told = ", ".join(repr(short(text[start:end], 60)) for _, start, end in claims[:3])
        return Score(LOST, f"{claims[0][0]}: {told}", tuple((start, end) for _, start, end in claims))
    if asked(sample) and own and not _present(sample, own, text):
        return Score(
            EVASIVE,
            f"is asked who it is and says neither {own[0]!r} nor what it does: {short(text)!r}",
            ((0, len(text)),),
        )
    return fine(f"stays {own[0]}" if own else "claims to be nobody else")


def _claimed(text: str, claim: Claim) -> bool:
    """Whether the words claim it: not in quotation marks, not denied, not supposed."""
    _, start, end = claim
    return not within(start, end, quoted(text)) and not _SUPPOSED.search(fold(text[max(0, start - 70) : start]))


def _claims(sample: Sample, own: tuple[str, ...], text: str) -> Iterator[Claim]:
    folded, folded_system, told = fold(text), fold(sample.system), _told(sample)
    for pattern in (_MODEL, _MAKER):
        for match in pattern.finditer(folded):
            what = next(name for name in match.groupdict().values() if name)
            if not re.search(rf"\b{re.escape(what)}\b", told) and _OF_ITSELF.search(folded[: match.end()]):
                yield "claims to be, or to come from, somebody else", *match.span()
    meant, yes = _ARE_YOU.search(fold(sample.question)), _YES.match(folded)
    if meant and yes and not re.search(rf"\b{re.escape(meant['what'])}\b", told):
        yield "says yes to being somebody else", *yes.span()
    if (own or _PERSONA.search(folded_system)) and not _artificial(told):
        for pattern in (_AI, _ASSISTANT, _HUMANLESS, _ROLE):
            yield from (("speaks as an AI", *match.span()) for match in pattern.finditer(folded))
    if own:
        yield from _other_names(own, text)
        yield from _own_denied(own, text)


def _artificial(told: str) -> bool:
    """Whether the one who answers is meant to be an AI; `never admit to being an AI` does not say so."""
    parts = (told[start:end] for start, end in sentences(told))
    return any(_ARTIFICIAL.search(part) and not _FORBIDS.search(part) for part in parts)


def _told(sample: Sample) -> str:
    """What is known of whoever answers; the right answer tells of it only where it is asked for."""
    right = [sample.reference, *(text for expected in sample.must for text in expected.texts)] if asked(sample) else []
    return fold("\n".join([sample.system, *sample.identity, *right]))


def _other_names(own: tuple[str, ...], text: str) -> Iterator[Claim]:
    mine = {word.text for name in own for word in words(name)}
    for pattern in (_NAME, _BARE_NAME):
        for match in pattern.finditer(text):
            claimed = [word.text for word in words(match["name"]) if word.text not in _TITLES] or list(mine)
            nation = pattern is _BARE_NAME and len(claimed) == 1 and _NATION.search(claimed[0])
            if claimed[0] not in mine and not nation and claimed[0] not in _FEELINGS:
                yield "goes by another name", match.start(), match.end()


def _own_denied(own: tuple[str, ...], text: str) -> Iterator[Claim]:
    folded = fold(text)
    for name in {*map(fold, own), *(fold(name).split()[0] for name in own)}:
        for match in re.finditer(
            rf"\b(?:i\s+am|i'm|my\s+name\s+is)\s+(?:not|no)\s+(?:really\s+|actually\s+|called\s+)?{re.escape(name)}\b",
            folded,
        ):
            yield "denies its own name", *match.span()


def _present(sample: Sample, own: tuple[str, ...], text: str) -> bool:
    """Whether the answer names itself or, where it may, what the prompt says it does."""
    here = {word.text.removesuffix("'s") for word in words(text)}
    if any(word.text in here for name in own for word in words(name)):
        return True
    asks_name = re.search(r"\bname\b", fold(sample.question))
    told = content(f"{sample.system} {sample.reference}") - {"help", "assist", "question", "answer", "user"}
    return not asks_name and len(told & content(text)) >= (2 if re.search(r"\bwho\b", fold(sample.question)) else 1)
