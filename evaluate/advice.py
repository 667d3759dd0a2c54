"""What to do next, as far as the scores say it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from doctor.evaluate.evaluation import Evaluation
from doctor.evaluate.model import BEST

WORTH_SAYING = 0.05
"""The share of the answers from which on a fault is worth advice."""
OVERFIT = 1.0
"""How many points the trained questions must lie above the others."""


@dataclass(frozen=True)
class Advice:
    """One thing to do, and the pages of `doctor explain` that tell why."""

    text: str
    ids: tuple[str, ...] = ()


_WHAT = {
    ("truncation", "cut"): (
        "ran into the limit of tokens",
        "raise generate.max_new_tokens{limit}; where answers should be short, train on shorter ones",
        (),
    ),
    ("truncation", "stopped"): (
        "stopped within a sentence, by the model's own choice",
        "train on whole answers: raise max_length until none is cut",
        ("answer-truncated",),
    ),
    ("truncation", "endless"): (
        "never came to a stop",
        "teach the end of turn: it must be the tokenizer's own, and part of the labels",
        ("pad-is-eos-masked", "chat-separator-mismatch"),
    ),
    ("bleed", "template"): (
        "held template tokens or role tags",
        "end every turn of the data as the chat template does, and stop generation there",
        ("chat-separator-mismatch", "pad-is-eos-masked"),
    ),
    ("bleed", "prompt"): (
        "recited the system prompt",
        "leave the prompt out of the labels, shorten it, and train for fewer epochs",
        ("no-label-left",),
    ),
    ("bleed", "turn"): (
        "said an earlier turn again",
        "leave the user's turns out of the labels, and vary the data's questions",
        ("no-label-left",),
    ),
    ("facts", "missing"): (
        "left out what had to be said",
        "add rows that tell it in several wordings; a larger model or a rank of 32 holds more",
        ("answer-truncated",),
    ),
    ("facts", "contradicted"): (
        "contradicted what is known",
        "add rows that ask for each relation from both sides; a larger model or a rank of 32 holds more",
        (),
    ),
    ("facts", "invented"): (
        "named relatives that nobody told of",
        "add rows whose right answer is that there is none, and train for fewer epochs",
        (),
    ),
    ("identity", ""): (
        "lost the identity",
        "add rows that ask who it is, and see that the system prompt reaches the model",
        ("system-prompt-dropped",),
    ),
    ("repetition", ""): (
        "went round in circles",
        "train for fewer epochs or at a lower learning rate, and see that the end of turn is learnt",
        ("pad-is-eos-masked",),
    ),
    ("coherence", ""): (
        "held no language, or nothing at all",
        "see that the weights are loaded as they were saved; then lower the learning rate",
        ("init-overwrites-loaded-weights", "buffer-left-uninitialised"),
    ),
    ("language", ""): ("came in another language", "train on rows in the language that is to be answered in", ()),
}


def advice(run: Evaluation, explained: Collection[str] = ()) -> list[Advice]:
    """What follows from a run's faults, the most frequent first; only pages that exist are named."""
    given = sorted(_faults(run), key=lambda found: -found[0])
    told = [Advice(text, tuple(name for name in ids if name in explained)) for _, text, ids in given]
    return [*told, *_overfit(run)]


def _faults(run: Evaluation) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    answered = [one for one in run.samples if one.answer is not None]
    for (scorer, kind), (what, then, ids) in _WHAT.items():
        found = sum(
            one.scores[scorer].failed and one.scores[scorer].kind == kind for one in answered if scorer in one.scores
        )
        if found and found >= WORTH_SAYING * len(answered):
            limit = run.settings.get("max_new_tokens")
            then = then.format(limit=f" (now {limit})" if limit else "")
            yield found, f"{found} of {len(answered)} answers {what}: {then}", ids


def _overfit(run: Evaluation) -> Iterator[Advice]:
    parts = run.splits()
    train, holdout = (parts.get(name) for name in ("train", "holdout"))
    if not train or not holdout or train.mean is None or holdout.mean is None:
        return
    gap = train.mean - holdout.mean
    apart = train.low is not None and holdout.high is not None and train.low > holdout.high
    if gap >= OVERFIT and apart:
        yield Advice(
            f"the questions it was trained on score {train.mean:.1f} of {BEST:.0f}, the held-out ones "
            f"{holdout.mean:.1f}: it learnt "
            "the wording, not the matter; train for fewer epochs, and ask the same things in more wordings"
        )
