"""The demo as one page: every step with what it printed, and the reports of the run and of the evaluation inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #fff; --line: #d0d7de; --soft: #59636e; --well: #1a7f37 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --soft: #9198a1; --well: #3fb950 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 64rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } .soft { color: var(--soft) } .verdict { font-size: 1.1rem }
details { border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; padding: .5rem .9rem }
summary { cursor: pointer; font-weight: 600 } summary small { color: var(--soft); font-weight: normal }
pre { font: 12.5px/1.45 ui-monospace, monospace; color: #d9d9d9; background: #0c0c0c; border-radius: 6px;
  padding: .7rem .9rem; margin: .6rem 0; overflow-x: auto }
ul { padding: 0; list-style: none } li::before { content: "✓ "; color: var(--well) }
iframe { width: 100%; height: 44rem; border: 1px solid var(--line); border-radius: 6px; background: var(--paper) }
"""


@dataclass(frozen=True)
class Step:
    """One step as it went: `terminal` is HTML, `shown` what it has shown in words, `report` a whole page of HTML."""

    title: str
    seconds: float
    terminal: str
    shown: tuple[str, ...] = ()
    report: str = ""


def render(steps: Sequence[Step], environment: str, version: str) -> str:
    """The page; nothing is loaded from anywhere."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>doctor demo</title><style>{STYLE}</style>"
    )
    seconds = sum(step.seconds for step in steps)
    shown = "\n".join(f"<li>{escape(text)}</li>" for step in steps for text in step.shown)
    body = [
        "<h1>doctor demo</h1>",
        f'<p class="soft">{escape(environment)} · doctor {escape(version)} · {len(steps)} steps, {seconds:.0f} s</p>',
        f"<ul>{shown}</ul>",
        *(_step(number, step) for number, step in enumerate(steps, 1)),
    ]
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{"".join(body)}\n</body></html>\n'


def _step(number: int, step: Step) -> str:
    """One step; those that bring a report are open."""
    report = f'<iframe title="{escape(step.title)}" srcdoc="{escape(step.report)}"></iframe>' if step.report else ""
    summary = f"{number}. {escape(step.title)} <small>{step.seconds:.1f} s</small>"
    return (
        f"<details{' open' * bool(report)}><summary>{summary}</summary><pre>{step.terminal}</pre>{report}</details>\n"
    )
