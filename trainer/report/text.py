"""A finished run in a few lines for the terminal: the curve, what it says, an answer before and after."""

from __future__ import annotations

from collections.abc import Iterator

from doctor.printable import printable
from doctor.trainer.report.chart import thinned
from doctor.trainer.report.run import Points, Run
from doctor.trainer.report.words import clock, size

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*#@"
CURVE, BESIDE = 32, 33
"""Characters of a curve at most, and of what stands beside it."""
SHOWN = 2
"""Samples."""


def lines(run: Run, width: int = 80, unicode: bool = True) -> Iterator[str]:
    """The summary, line by line, none longer than `width`."""
    arrow = "→" if unicode else "->"
    for name, points in (("training loss", run.points("loss")), ("held-out loss", run.points("eval_loss"))):
        if points:
            drawn = curve(points, BLOCKS if unicode else PLAIN, max(8, min(CURVE, width - BESIDE)))
            yield f"{name}  {drawn}  {points[0][1]:.3f} {arrow} {points[-1][1]:.3f}"
    yield from _wrapped(run.verdict[0] + ".", width)
    if run.result:
        result = run.result
        speed = result["tokens"] / result["seconds"] if result["seconds"] else 0
        figures = (
            f"{result['steps']:,} updates in {clock(result['seconds'])}, {speed:,.0f} tokens a second, "
            f"{size(result['memory'])} at most"
        )
        yield from _wrapped(figures, width)
    for sample in run.samples[:SHOWN]:
        yield ""
        said = (("", sample["messages"][-1]["content"]), ("before  ", sample["before"]), ("after   ", sample["after"]))
        for name, words in said:
            yield _cut(f"{name}{printable(' '.join(str(words).split()))}", width)


def curve(points: Points, blocks: str = BLOCKS, most: int = CURVE) -> str:
    """A line of blocks, as high as the values are.

    >>> curve([(0, 3.0), (1, 2.0), (2, 1.0)])
    '█▅▁'
    """
    values = [value for _, value in thinned(points, most)]
    low, top = min(values), max(values)
    span = (top - low) or 1.0
    return "".join(blocks[round((value - low) / span * (len(blocks) - 1))] for value in values)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _wrapped(sentence: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(sentence, width)
