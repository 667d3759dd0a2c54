"""Lines over updates as SVG: no script, no picture from elsewhere, readable in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor, log10

from doctor.trainer.report.run import Points

MOST = 400
"""Points a line is drawn with; more are averaged."""
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 14, 28
TICKS = 5


@dataclass(frozen=True)
class Line:
    """One line: its class in the style sheet is its colour; `dots` marks every point."""

    name: str
    style: str
    points: Points
    dots: bool = False


def draw(
    lines: Sequence[Line], title: str, form: str = "{:.5g}", wide: int = 880, high: int = 260, zero: bool = False
) -> str:
    """The chart, or a sentence where there is nothing to draw.  `form` writes a value."""
    drawn = [Line(line.name, line.style, thinned(line.points), line.dots) for line in lines if line.points]
    if not drawn:
        return f'<p class="soft">{escape(title)}: nothing was recorded</p>'
    every = [point for line in drawn for point in line.points]
    frame = _Frame(every, wide, high, zero)
    parts = [f'<svg viewBox="0 0 {wide} {high}" role="img" aria-label="{escape(title)}">']
    parts += frame.grid(form)
    for line in drawn:
        parts += _line(line, frame, form)
    return "".join([*parts, "</svg>"])


class _Frame:
    """From values to places on the picture."""

    def __init__(self, points: Points, wide: int, high: int, zero: bool) -> None:
        self.wide, self.high = wide, high
        self.first, self.last = min(x for x, _ in points), max(x for x, _ in points)
        low, top = min(y for _, y in points), max(y for _, y in points)
        self.marks = ticks(0.0 if zero else low, top)
        self.low, self.top = self.marks[0], self.marks[-1]

    def x(self, value: float) -> float:
        span = (self.last - self.first) or 1.0
        return LEFT + (value - self.first) / span * (self.wide - LEFT - RIGHT)

    def y(self, value: float) -> float:
        span = (self.top - self.low) or 1.0
        return self.high - BOTTOM - (value - self.low) / span * (self.high - TOP - BOTTOM)

    def grid(self, form: str) -> list[str]:
        """Lines across at round values, and the updates below."""
        parts = []
        for mark in self.marks:
            y = self.y(mark)
            parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{self.wide - RIGHT}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" class="end">{escape(form.format(mark))}</text>')
        steps = [step for step in ticks(self.first, self.last) if self.first <= step <= self.last and step == int(step)]
        for step in steps:
            parts.append(f'<text x="{self.x(step):.1f}" y="{self.high - 8}" class="middle">{step:,.0f}</text>')
        return parts


def _line(line: Line, frame: _Frame, form: str) -> list[str]:
    places = [(frame.x(x), frame.y(y)) for x, y in line.points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    parts = [f'<path class="line {line.style}" d="{path}"/>'] if len(places) > 1 else []
    if line.dots or len(places) == 1:
        for (x, y), (step, value) in zip(places, line.points, strict=True):
            said = escape(f"{line.name} {form.format(value)} at update {step:,.0f}")
            parts.append(f'<circle class="{line.style}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{said}</title></circle>')
    return parts


def thinned(points: Points, most: int = MOST) -> Points:
    """No more points than that, each the mean of those it stands for; the first and last stay.

    >>> thinned([(0, 1.0), (1, 3.0), (2, 5.0), (3, 7.0), (4, 9.0), (5, 4.0)], most=4)
    [(0, 1.0), (1.5, 4.0), (3.5, 8.0), (5, 4.0)]
    """
    if len(points) <= most:
        return points
    inner, parts = points[1:-1], most - 2
    bounds = [round(number * len(inner) / parts) for number in range(parts + 1)]
    means = [
        (sum(x for x, _ in inner[a:b]) / (b - a), sum(y for _, y in inner[a:b]) / (b - a)) for a, b in pairwise(bounds)
    ]
    return [points[0], *means, points[-1]]


def smoothed(points: Points) -> Points:
    """Each value as the mean of those around it, a twentieth of all; few points stay as they are.

    >>> smoothed([(0, 1.0), (1, 2.0)])
    [(0, 1.0), (1, 2.0)]
    """
    reach = len(points) // 40
    if not reach:
        return points
    values = [value for _, value in points]
    around = [values[max(0, n - reach) : n + reach + 1] for n in range(len(values))]
    return [(step, sum(part) / len(part)) for (step, _), part in zip(points, around, strict=True)]


def ticks(low: float, top: float) -> list[float]:
    """Round values that begin at or below `low` and end at or above `top`.

    >>> ticks(0.13, 2.9)
    [0.0, 1.0, 2.0, 3.0]
    """
    if top <= low:
        low, top = low - (abs(low) * 0.1 or 1.0), top + (abs(top) * 0.1 or 1.0)
    rough = (top - low) / TICKS
    size = 10.0 ** floor(log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first, last = floor(low / step + 1e-9), ceil(top / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def histogram(counts: Sequence[tuple[str, int]], wide: int = 880, high: int = 150) -> str:
    """Bars, each with its name below and its count above."""
    most, each = max(count for _, count in counts), (wide - LEFT - RIGHT) / len(counts)
    parts = [f'<svg viewBox="0 0 {wide} {high}" role="img" aria-label="Rows by length">']
    for number, (name, count) in enumerate(counts):
        x, tall = LEFT + number * each, (high - TOP - BOTTOM - 10) * count / (most or 1)
        y, middle = high - BOTTOM - tall, x + each / 2
        parts.append(
            f'<rect class="bar" x="{x + 2:.1f}" y="{y:.1f}" width="{each - 4:.1f}" height="{tall:.1f}" rx="2"/>'
        )
        parts.append(f'<text x="{middle:.1f}" y="{y - 4:.1f}" class="middle">{count:,}</text>' if count else "")
        parts.append(f'<text x="{middle:.1f}" y="{high - 10}" class="middle">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])
