"""The nouns of an evaluation: a Sample is asked, an Answer is given, a Scorer gives it a Score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

BEST = 10.0
"""The score of an answer in which nothing is wrong; the worst is 0."""
FAILED = 5.0
"""A score below this is a fault that reports name and filter by."""
SPLITS = ("train", "holdout")
MEASURES = frozenset({"similarity", "judge", "perplexity"})
"""Scorers whose low score is no fault by itself."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; `role` is `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True)
class Expectation:
    """Something an answer must, or must not, say; exactly one of the first four is given."""

    texts: tuple[str, ...] = ()
    """A phrase and its aliases: one of them is enough."""
    regex: str | None = None
    number: float | None = None
    any: tuple[Expectation, ...] = ()
    tolerance: float = 0.0
    """How far the number may be off, in its own unit."""

    def __str__(self) -> str:
        if self.texts:
            return " or ".join(repr(text) for text in self.texts)
        if self.regex is not None:
            return f"/{self.regex}/"
        if self.number is not None:
            return f"{self.number:g}" + (f" ± {self.tolerance:g}" if self.tolerance else "")
        return " or ".join(map(str, self.any))


@dataclass(frozen=True)
class Sample:
    """One question with what is known of its right answer."""

    id: str
    messages: tuple[Message, ...]
    """The conversation up to the answer; the last turn is the user's."""
    category: str = "general"
    system: str = ""
    must: tuple[Expectation, ...] = ()
    must_not: tuple[Expectation, ...] = ()
    reference: str = ""
    identity: tuple[str, ...] = ()
    """The names that whoever answers goes by; empty: read from the system prompt."""
    language: str = ""
    """ISO 639-1 code of the language to answer in; empty: that of the reference, or of the question."""
    split: str = ""
    """`train` where the question was trained on, `holdout` where it was not, empty where nobody said."""
    weight: float = 1.0

    @property
    def question(self) -> str:
        """The last turn."""
        return self.messages[-1].content

    @property
    def truth(self) -> str:
        """What is known to be so: the system prompt and the reference."""
        return f"{self.system}\n{self.reference}"

    @property
    def brief(self) -> str:
        """What a judge of its answers has to know."""
        parts = {
            "The assistant was told": self.system,
            "The conversation": "\n".join(f"{turn.role}: {turn.content}" for turn in self.messages),
            "Known to be right": self.reference,
            "It must say": "; ".join(map(str, self.must)),
            "It must not say": "; ".join(map(str, self.must_not)),
        }
        return "\n\n".join(f"{head}:\n{part}" for head, part in parts.items() if part)

    @property
    def digest(self) -> str:
        """Names the sample by its content, so that only answers to the same question are compared."""
        said = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Answer:
    """What a model said to one sample; `text` is None where it gave no answer."""

    id: str
    text: str | None
    finish: str = ""
    """`stop` where the model ended by itself, `length` where the limit of tokens ended it, empty where unknown."""
    seed: int = 0
    reason: str = ""
    """Why there is no answer."""
    tokens: int | None = None
    """How many it has, the one that ends it included; None where nobody counted."""
    prompt_tokens: int | None = None
    prompt: str = ""
    """Names the prompt by its token ids; empty where a server renders it."""
    surprise: float | None = None
    """How unexpected the reference is to the model: the mean negative log-probability of its tokens, in nats."""


@dataclass(frozen=True)
class TaskScore:
    """One metric of one task of lm-evaluation-harness."""

    task: str
    metric: str
    value: float
    stderr: float | None
    samples: int | None
    higher: bool = True
    """Whether more of it is better."""


@dataclass(frozen=True)
class Asked:
    """What came of asking a model."""

    answers: tuple[Answer, ...]
    name: str
    """What the reports call the model."""
    known: int = 0
    """How many of the answers were kept already."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """How they were made."""
    tasks: tuple[TaskScore, ...] = ()


@dataclass(frozen=True)
class Score:
    """From 0 to 10, or None where the scorer has nothing to go by; the explanation quotes the evidence."""

    value: float | None
    explanation: str
    evidence: tuple[tuple[int, int], ...] = ()
    """Where in the answer it stands: first character and the one behind the last."""
    kind: str = ""
    """Which of the scorer's faults it is, where it tells several apart."""

    @property
    def failed(self) -> bool:
        """Whether this is a fault."""
        return self.value is not None and self.value < FAILED


@dataclass(frozen=True)
class Scored:
    """One answer with the scores it got; `seed` tells several answers to one sample apart."""

    id: str
    category: str
    answer: str | None
    scores: Mapping[str, Score]
    question: str = ""
    reference: str = ""
    finish: str = ""
    seed: int = 0
    split: str = ""
    weight: float = 1.0
    digest: str = ""
    reason: str = ""
    """Why there is no answer."""
    tokens: int | None = None
    prompt_tokens: int | None = None
    prompt: str = ""
    """Names the prompt by its token ids; empty where a server rendered it."""
    brief: str = ""
    """What a judge has to know of the sample."""

    @property
    def value(self) -> float | None:
        """An answer is as good as its worst fault; None where nothing could be scored."""
        return self.worst(self.scores)

    def worst(self, scorers: Iterable[str]) -> float | None:
        """The lowest score that some scorers gave; likeness to the reference counts only where it is alone."""
        values = {n: s.value for n in scorers if (s := self.scores.get(n)) and s.value is not None}
        faults = {name: value for name, value in values.items() if name not in MEASURES}
        return min((faults or values).values(), default=None)

    @property
    def faults(self) -> tuple[str, ...]:
        """The scorers that found a fault."""
        return tuple(name for name, score in self.scores.items() if score.failed and name not in MEASURES)


ScoreFunction = Callable[[Sample, str, str], Score]
"""A scorer: sample, text of the answer and how it finished, to its score."""


def unscored(why: str) -> Score:
    """No score: left out of every mean, and counted."""
    return Score(None, why)


def fine(explanation: str) -> Score:
    """Nothing is wrong."""
    return Score(BEST, explanation)
