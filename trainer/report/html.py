"""A run as one HTML page that needs nothing else: its curves, answers before and after, data, settings and command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from math import exp
from pathlib import Path

from doctor.printable import printable
from doctor.trainer.report.chart import Line, draw, histogram, smoothed
from doctor.trainer.report.run import Run, read
from doctor.trainer.report.words import clock, size
from doctor.trainer.run_folder import RunFolder, Sample, write_text

SMALL = {"wide": 430, "high": 190}


def write(folder: Path, version: str) -> Run:
    """Write report.html of a run's folder, and return the run.  Raises UsageError where it is none."""
    found = read(folder)
    write_text(RunFolder(folder).report, render(found, version))
    return found


def render(run: Run, version: str) -> str:
    """The whole page."""
    said, well = run.verdict
    parts = [
        f"<h1>{text(run.name)}</h1>",
        f'<p class="soft">{text(headline(run))}</p>',
        f'<p class="verdict{"" if well else " bad"}">{text(said)}.</p>',
        tiles(run),
        *_curves(run),
        *_samples(run),
        *_data(run),
        *_settings(run),
        f'<p class="soft">doctor {escape(version)}</p>',
    ]
    style = (files("doctor.trainer.report") / "page.css").read_text("utf-8")
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{text(run.name)}</title><style>\n{style}</style>"
    )
    body = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def text(words: str) -> str:
    """Text from outside, as HTML shows it: line breaks stay, other control characters are made visible."""
    return "\n".join(escape(printable(line)) for line in words.split("\n"))


def headline(run: Run) -> str:
    """What was trained on what, with what, in one line."""
    config, lora = run.config, run.config.get("lora") or {}
    how = str(config.get("method"))
    if how != "full":
        how += f" r {lora.get('r')}" + "".join(f", {name}" for name in ("dora", "rslora") if lora.get(name))
    versions = run.result["versions"] if run.result else {}
    named = [f"{name} {versions[name]}" for name in ("transformers", "torch", "peft") if name in versions]
    return " · ".join([run.model, how, f"{run.data['rows']:,} rows", *named, *([run.machine] if run.machine else [])])


def tiles(run: Run) -> str:
    """The figures one looks for first."""
    result = run.result
    if result is None:
        return ""
    shown = []
    if result["eval_loss"] is not None:
        before = f"{result['eval_loss_before']:.3f} → " if result["eval_loss_before"] is not None else ""
        shown.append((f"{before}{result['eval_loss']:.3f}", "held-out loss"))
        shown.append((f"{exp(min(result['eval_loss'], 50)):,.2f}", "held-out perplexity"))
    speed = result["tokens"] / result["seconds"] if result["seconds"] else 0
    trained = result["trainable"] / result["parameters"] if result["parameters"] else 0
    shown += [
        (f"{result['steps']:,}" + (f" of {result['planned']:,}" if result["stopped_early"] else ""), "updates"),
        (clock(result["seconds"]), f"{result['tokens']:,} tokens, {speed:,.0f} a second"),
        (size(result["memory"]), "peak memory"),
        (f"{trained:.2%}", f"of {result['parameters'] / 1e6:,.0f} M weights trained"),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{a}</b><span>{b}</span></div>' for a, b in shown)
        + "</div>"
    )


def _curves(run: Run) -> Iterator[str]:
    train, held = run.points("loss"), run.points("eval_loss")
    yield "<h2>Loss</h2>"
    yield '<p class="key"><span><i class="train"></i>training</span>' + (
        '<span><i class="held"></i>held out</span></p>' if held else "</p>"
    )
    lines = [Line("training loss", "raw", train), Line("training loss", "train", smoothed(train))]
    yield draw([*lines, Line("held-out loss", "held", held, dots=True)], "Loss by update")
    yield '<p class="soft">By update; in nats a token that is learnt.</p><div class="four">'
    memory = [(step, value / (1 << 30)) for step, value in run.points("memory")]
    for title, points, form, zero in (
        ("Learning rate", run.points("learning_rate"), "{:.2g}", True),
        ("Gradient norm", run.points("grad_norm"), "{:.3g}", True),
        ("Tokens a second", run.points("tokens_per_second"), "{:,.0f}", True),
        ("Peak memory, GiB", memory, "{:.3g}", False),
    ):
        chart = draw([Line(title, "one", points)], title, form, zero=zero, **SMALL)
        yield f"<div><h3>{title}</h3>{chart}</div>"
    yield "</div>"


def _samples(run: Run) -> Iterator[str]:
    if run.samples:
        yield "<h2>Held-out questions, before and after</h2>"
        yield from map(_sample, run.samples)


def _sample(sample: Sample) -> str:
    same = sample["after"].strip() == sample["expected"].strip()
    system = [turn["content"] for turn in sample["messages"] if turn.get("role") == "system"]
    talk = "".join(
        f'<p class="turn"><b>{text(str(turn.get("role")))}</b> {text(str(turn.get("content")))}</p>'
        for turn in sample["messages"]
        if turn.get("role") != "system"
    )
    prompt = f"<details><summary>system prompt</summary><p>{text(str(system[0]))}</p></details>" if system else ""
    answers = "".join(
        f'<div class="{style}"><h4>{name}</h4>{text(said) or "–"}</div>'
        for name, style, said in (("before", "", sample["before"]), ("after", "same" if same else "", sample["after"]))
    )
    expected = "word for word what was expected" if same else f"expected: {text(sample['expected'])}"
    return (
        f'<div class="sample"><h3>{text(sample["row"])}</h3>{talk}<div class="two">{answers}</div>'
        f'<p class="soft">{expected}</p>{prompt}</div>'
    )


def _data(run: Run) -> Iterator[str]:
    data = run.data
    yield "<h2>Data</h2>"
    layouts = ", ".join(f"{name} {number:,}" for name, number in data["layouts"].items())
    longest = f"{data['longest']:,} tokens; max_length is {data['max_length']:,}"
    yield table(
        [
            ("file", data["path"]),
            ("rows", f"{data['rows']:,} ({layouts})"),
            ("trained on", f"{data['train']:,} rows, {data['tokens']:,} tokens, {data['learnt']:,} of them learnt"),
            ("held out", f"{data['holdout']:,}"),
            ("refused", f"{data['refused_count']:,}"),
            ("without their oldest turns", f"{data['shortened']:,}"),
            ("longest row", longest),
            ("SHA-256 of ids and labels", data["digest"]),
        ]
    )
    if lengths := data["lengths"]:
        yield f"<h3>Rows by tokens</h3>{histogram(list(lengths.items()))}"
    if refused := data["refused"]:
        rows = [(one["row"], one["why"] + (f" ({one['length']:,} tokens)" if one["length"] else "")) for one in refused]
        shown = (
            f"The first {len(rows):,} of {data['refused_count']:,}"
            if len(rows) < data["refused_count"]
            else "All of them"
        )
        yield f"<details open><summary>Refused rows. {shown}</summary>{table(rows)}</details>"


def _settings(run: Run) -> Iterator[str]:
    if run.command:
        yield f"<h2>Again</h2><pre>{text(run.command)}</pre>"
    yield f"<details><summary>config.yaml</summary><pre>{text(run.config_text)}</pre></details>"
    if run.result:
        yield f"<details><summary>Versions</summary>{table(run.result['versions'].items())}</details>"


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Two columns: what, and its value."""
    body = "".join(f"<tr><th>{text(str(name))}</th><td>{text(str(value))}</td></tr>" for name, value in rows)
    return f"<table>{body}</table>"
