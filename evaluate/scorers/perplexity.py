"""How well the model expects the reference answer.

Why it matters: an answer is one draw; the probability of the right words moves with every step of training, long
before answers change, and falls on held-out references once a model learns its rows by heart.

How it scores: 10 / perplexity of the reference after the prompt, which is ten times the mean (geometric) probability
of its tokens: 10 where every token is certain. It is no fault by itself. Unscored without a reference, and where the
weights are not at hand: servers do not tell the probabilities of a text that is given.

Reference: https://huggingface.co/docs/transformers/perplexity
"""

from __future__ import annotations

import math

from doctor.evaluate.model import BEST, Answer, Sample, Score, unscored


def score(sample: Sample, text: str, finish: str) -> Score:
    """Of a text alone nothing can be said."""
    return measure(sample, Answer(sample.id, text, finish))


def measure(sample: Sample, answer: Answer) -> Score:
    """From what the model told of the reference."""
    if not sample.reference:
        return unscored("the sample has no reference")
    if answer.surprise is None:
        return unscored("nothing told how probable the reference is: that takes a folder of weights as 'model'")
    return Score(BEST * math.exp(-answer.surprise), f"perplexity {math.exp(answer.surprise):.2f} of the reference")
