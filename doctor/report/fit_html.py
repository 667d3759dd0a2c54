"""A memory forecast as one HTML page: stacked bars of the components against the card, and the table of what fits."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from doctor.memory.forecast import Forecast
from doctor.memory.run import CONTEXT, Estimate
from doctor.report.fit_settings import settings
from doctor.report.fit_text import headline
from doctor.report.wording import printable
from doctor.size import gib

GIB = 1 << 30
COLOURS = {
    "context": "#9aa0a6",
    "weights": "#3566b8",
    "loader": "#c9372c",
    "fp32 copies": "#8b5fbf",
    "adapters": "#1f9e89",
    "gradients": "#6cb33f",
    "optimizer": "#b8a000",
    "kept for backward": "#e08a1e",
    "activations": "#f0b429",
    "logits": "#d1567c",
    "dequantised": "#5aa9e6",
    "cache": "#0a7ea4",
}
"""One colour a component; the CUDA context stands first."""
LEFT, WIDE, BAR, ROW = 190, 620, 22, 34
"""Pixels: of the labels, the bars, the height of one, and from one to the next."""
STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #fff; --line: #d0d7de; --soft: #59636e;
  --good: #1a7f37; --bad: #c9372c }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --soft: #9198a1;
  --good: #3fb950; --bad: #f85149 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { margin: .3rem 0 } .soft { color: var(--soft) } svg { width: 100%; height: auto; font: 13px system-ui, sans-serif }
svg text { fill: var(--ink) } svg .soft { fill: var(--soft) } svg .bad { fill: var(--bad) }
svg .good { fill: var(--good) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid var(--line); font-weight: normal }
th { color: var(--soft) }
td:nth-child(-n+2), th:nth-child(-n+2) { text-align: left } td.good { color: var(--good) } td.bad { color: var(--soft) }
pre { border: 1px solid var(--line); border-radius: 6px; padding: .7rem 1rem; overflow-x: auto }
ul.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem }
ul.key i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em }
"""


def render(forecast: Forecast) -> str:
    """The whole page; it refers to nothing outside itself."""
    name = _safe(forecast.name)
    model, asked = map(_safe, headline(forecast))
    body = "\n".join(
        [
            f"<h1>{name}</h1><p>{model}</p><p class=soft>{asked}</p>",
            "<h2>Peak of GPU memory by stage</h2>",
            _picture(forecast),
            _key(forecast),
            *(f"<p>{_safe(why)}.</p>" for why in dict.fromkeys(e.why for e in forecast.estimates if e.why)),
            _table(forecast),
            _chosen(forecast),
            *(f"<p class=soft>Note: {_safe(note)}.</p>" for note in forecast.notes),
        ]
    )
    return (
        f'<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">\n'
        f"<title>{name}: GPU memory</title><style>{STYLE}</style>\n<body>{body}\n</html>\n"
    )


def _safe(text: str) -> str:
    return escape(printable(text))


def _picture(forecast: Forecast) -> str:
    most = max(max(estimate.high for estimate in forecast.estimates) + CONTEXT, forecast.card or 0)
    scale = WIDE / (most * 1.02)
    height = ROW * len(forecast.estimates) + 34
    parts = [f'<svg viewBox="0 0 {LEFT + WIDE + 120} {height}" role=img aria-label="Stacked bars of GPU memory">']
    for number, estimate in enumerate(forecast.estimates):
        parts += _bar(estimate, forecast.card, number * ROW, scale)
    if forecast.card is not None:
        x = LEFT + forecast.card * scale
        parts.append(f'<line x1={x:.1f} x2={x:.1f} y1=0 y2={height - 24} stroke="var(--bad)" stroke-width=2 />')
        parts.append(f"<text x={x:.1f} y={height - 8} text-anchor=middle class=bad>card {gib(forecast.card)}</text>")
    return "\n".join([*parts, "</svg>"])


def _bar(estimate: Estimate, card: int | None, y: int, scale: float) -> Iterator[str]:
    middle = y + BAR / 2 + 5
    release = f"<tspan class=soft>{_safe(estimate.transformers)}</tspan>"
    yield f"<text x=0 y={middle}>{estimate.stage} {release}</text>"
    x = float(LEFT)
    for name, size in {"context": CONTEXT, **estimate.parts}.items():
        wide = size * scale
        title = f"<title>{_safe(name)}: {gib(size)}</title>"
        yield f'<rect x={x:.1f} y={y} width={wide:.1f} height={BAR} fill="{COLOURS[name]}">{title}</rect>'
        x += wide
    low, high = (LEFT + (bound + CONTEXT) * scale for bound in (estimate.low, estimate.high))
    yield f'<path d="M{low:.1f} {y + BAR + 3}H{high:.1f}" stroke="var(--soft)" stroke-width=2 />'
    fits = estimate.fits(card)
    style = {True: "good", False: "bad", None: "soft"}[fits]
    mark = {True: " ✓", False: " ✗", None: ""}[fits] + (" just" if card is not None and estimate.tight(card) else "")
    yield f"<text x={max(x, high) + 8:.1f} y={middle} class={style}>{gib(estimate.peak)}{mark}</text>"


def _key(forecast: Forecast) -> str:
    used = {"context", *(name for estimate in forecast.estimates for name in estimate.parts)}
    names = {"context": "CUDA context", "kept for backward": "kept for the backward pass"}
    items = (
        f'<li><i style="background:{colour}"></i>{names.get(name, name)}</li>'
        for name, colour in COLOURS.items()
        if name in used
    )
    return f"<ul class=key>{''.join(items)}</ul><p class=soft>The line below a bar is its interval.</p>"


def _table(forecast: Forecast) -> str:
    if not forecast.rows:
        return ""
    lengths = forecast.rows[0].peaks
    head = "".join(f"<th>{name}</th>" for name in ("method", "recipe", "batch", *lengths, "longest"))
    rows = []
    for row in forecast.rows:
        if row.run.batch > 1 and row.longest == 0:
            continue
        cells = "".join(
            f"<td class={'good' if e.fits(forecast.card) else 'bad'}>{e.peak / GIB:.1f}</td>"
            for e in row.peaks.values()
        )
        longest = "" if row.longest is None else row.longest or "none"
        names = (row.run.method, _safe(row.recipe.title), row.run.batch)
        rows.append(f"<tr>{''.join(f'<td>{name}</td>' for name in names)}{cells}<td>{longest}</td></tr>")
    title = f"Training on transformers {_safe(forecast.released[-1])}: peak in GiB at rows of so many tokens"
    return f"<h2>{title}</h2><table><tr>{head}</tr>{''.join(rows)}</table>"


def _chosen(forecast: Forecast) -> str:
    text = settings(forecast)
    if text is None or forecast.choice is None:
        return "" if forecast.card is None else f"<p>Nothing trains this model in {gib(forecast.card)}.</p>"
    how = _safe(forecast.choice[0].how)
    return f"<h2>Settings that fit, for train.yaml</h2><pre>{escape(text)}</pre><p>How: {how}.</p>"
