"""The peak of generation: reading the prompt, and the cache at its longest."""

from __future__ import annotations

from packaging.version import Version

from doctor.memory import activations, host
from doctor.memory.dimensions import Dimensions
from doctor.memory.run import Estimate, Run
from doctor.memory.shape import Shape
from doctor.memory.storage import ITEMSIZE, total
from doctor.memory.training import Moment, dequantised

COPIES_SINCE = Version("4.56")
"""From here on the cache copies what it is first given, and gives sliding layers no more than their window."""


def generate(shape: Shape, run: Run, release: Version) -> Estimate:
    """The peak of reading `prompt` tokens and writing `new_tokens`, for `batch` rows."""
    of = shape.dimensions
    weights = total(shape, run.quant, release)
    reading = {
        "weights": weights,
        "cache": cache(of, run.batch, run.prompt, release) + retained(of, release) * run.batch * run.prompt,
        "activations": (activations.inference(of) + _scores(of, run)) * run.batch * run.prompt,
        "dequantised": dequantised(shape, run, release),
    }
    longest = cache(of, run.batch, run.prompt + run.new_tokens, release)
    # A growing cache is copied layer by layer: the old and the new keys of one layer are there together.
    writing = {"weights": weights, "cache": longest + longest // of.layers}
    peak = max(
        Moment("while the prompt is read", reading),
        Moment("at the last token", writing),
        key=lambda moment: moment.size,
    )
    low, high = shape.interval(peak.size)
    extra = retained(of, release)
    return Estimate(
        "generate",
        str(release),
        peak.size,
        low,
        high,
        peak.where,
        {name: size for name, size in peak.parts.items() if size},
        host.generate(run, release, peak.size),
        "the cache holds the whole output of the fused projection while the prompt is read" if extra else "",
    )


def cache(of: Dimensions, batch: int, tokens: int, release: Version) -> int:
    """Bytes of keys and values."""
    a_layer = 2 * of.key * ITEMSIZE * batch
    seen = min(tokens, of.window) if of.window and release >= COPIES_SINCE else tokens
    return a_layer * (of.sliding * seen + (of.layers - of.sliding) * tokens)


def retained(of: Dimensions, release: Version) -> int:
    """Bytes a token that a cache keeps alive beside its own: it holds a slice of a fused projection."""
    return of.layers * (of.query + of.key) * ITEMSIZE if of.fused_qkv and release < COPIES_SINCE else 0


def _scores(of: Dimensions, run: Run) -> int:
    return activations.scores(of, run.prompt) if of.eager or run.attention == "eager" else 0
