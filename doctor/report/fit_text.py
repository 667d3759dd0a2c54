"""A memory forecast for people: tables of what fits, and the settings to paste."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from doctor.memory.forecast import Forecast
from doctor.memory.run import CONTEXT, Estimate
from doctor.report.fit_settings import settings
from doctor.report.wording import printable
from doctor.size import gib

GIB = 1 << 30
VERDICTS = {True: ("fits", "green"), False: ("does not fit", "bold red"), None: ("", "")}


def show(forecast: Forecast, console: Console) -> None:
    """Print it."""
    for part in _page(forecast):
        console.print(part)


def headline(forecast: Forecast) -> tuple[str, str]:
    """What the model is, and what was asked of which card."""
    run, shape = forecast.run, forecast.shape
    model = f"{shape.parameters / 1e9:.2f} billion parameters, {shape.dimensions.family or 'unknown architecture'}"
    asked = f"{run.method}, {run.quant}, rank {run.rank}, {run.max_length} tokens, batch {run.batch}"
    if forecast.card is None:
        return model, f"{asked}; no GPU is known: give --vram to have it judged"
    return model, f"{asked}; {gib(forecast.card)} of GPU memory, {gib(CONTEXT)} of it for the CUDA context"


def _page(forecast: Forecast) -> Iterator[RenderableType]:
    model, asked = headline(forecast)
    yield Text.assemble((printable(forecast.name), "bold"), f"  {model}")
    yield Text(asked, "dim")
    yield ""
    yield _stages(forecast)
    for why in dict.fromkeys(estimate.why for estimate in forecast.estimates if estimate.why):
        yield Padding(Text(f"{why}."), (0, 0, 0, 2), expand=False)
    if forecast.rows:
        yield ""
        yield _choices(forecast)
    yield from _settings(forecast)
    for note in forecast.notes:
        yield Text(f"Note: {note}.", "dim")


def _stages(forecast: Forecast) -> Table:
    table = Table(
        box=None, pad_edge=False, title="Peak of GPU memory by stage", title_justify="left", title_style="bold"
    )
    for name in ("transformers", "stage"):
        table.add_column(name)
    for name in ("peak", "interval", "host"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("", "when"):
        table.add_column(name)
    for estimate in forecast.estimates:
        table.add_row(
            estimate.transformers,
            estimate.stage,
            gib(estimate.peak),
            f"{estimate.low / GIB:.2f} to {estimate.high / GIB:.2f}",
            gib(estimate.host),
            verdict(estimate, forecast.card),
            estimate.where,
        )
    return table


def verdict(estimate: Estimate, card: int | None) -> Text:
    """`fits`, `just fits` or `does not fit`; empty where no card is known."""
    if card is not None and estimate.tight(card):
        return Text("just fits", "yellow")
    return Text(*VERDICTS[estimate.fits(card)])


def _choices(forecast: Forecast) -> Table:
    lengths = list(forecast.rows[0].peaks)
    title = f"Training on transformers {forecast.released[-1]}: peak in GiB at rows of so many tokens"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold")
    table.add_column("method")
    table.add_column("recipe")
    for name in ("batch", *map(str, lengths)):
        table.add_column(name, justify="right")
    if forecast.card is not None:
        table.add_column("longest", justify="right")
    for row in forecast.rows:
        if row.run.batch > 1 and row.longest == 0:
            continue
        cells = [Text(f"{e.peak / GIB:.1f}", "green" if e.fits(forecast.card) else "dim") for e in row.peaks.values()]
        first = row.run.batch == 1
        names = (row.run.method if first else "", row.recipe.title if first else "")
        most = (
            []
            if row.longest is None
            else [Text(str(row.longest) if row.longest else "none", "bold" if row.longest else "red")]
        )
        table.add_row(*names, str(row.run.batch), *cells, *most)
    return table


def _settings(forecast: Forecast) -> Iterator[RenderableType]:
    text = settings(forecast)
    if forecast.card is None:
        return
    yield ""
    if text is None or forecast.choice is None:
        yield Text(f"Nothing trains this model in {gib(forecast.card)} by {forecast.run.method}.", "bold red")
        return
    yield Text("Settings that fit, for train.yaml", "bold")
    yield Padding(Text(printable_lines(text), "green"), (0, 0, 0, 2), expand=False)
    yield Padding(Text(f"How: {forecast.choice[0].how}."), (0, 0, 0, 2), expand=False)


def printable_lines(text: str) -> str:
    """Lines with control characters made visible, line ends kept."""
    return "\n".join(map(printable, text.rstrip("\n").split("\n")))
