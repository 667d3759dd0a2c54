"""A memory forecast for people: tables of what fits, and the settings to paste."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from doctor.memory.fitting import RECIPES, Row
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
    yield Text("Peak of GPU memory by stage", "bold")
    yield _stages(forecast)
    for why in dict.fromkeys(estimate.why for estimate in forecast.estimates if estimate.why):
        yield Padding(Text(f"{why}."), (0, 0, 0, 2), expand=False)
    yield Text(host(forecast), "dim")
    if forecast.rows:
        yield ""
        title = f"Training on transformers {forecast.released[-1]}: peak in GiB at rows of so many tokens"
        yield Text(title, "bold")
        yield _choices(forecast)
        for recipe in RECIPES.values():
            yield Text(f"{recipe.name}: {recipe.title}", "dim")
    yield from _settings(forecast)
    for note in forecast.notes:
        yield Text(f"Note: {note}.", "dim")


def _stages(forecast: Forecast) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("transformers", "stage"):
        table.add_column(name, no_wrap=True)
    for name in ("peak", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("when", overflow="fold")
    for estimate in forecast.estimates:
        table.add_row(
            estimate.transformers,
            estimate.stage,
            gib(estimate.peak),
            f"{estimate.low / GIB:.2f} to {estimate.high / GIB:.2f}",
            verdict(estimate, forecast.card),
            estimate.where,
        )
    return table


def host(forecast: Forecast) -> str:
    """What the process takes of the host's memory, in words."""
    most = gib(max(estimate.host for estimate in forecast.estimates))
    if forecast.run.device == "cpu":
        return f"Host memory, if all of it runs on the CPU: {most}."
    return f"Host memory: {most} and what CUDA takes."


def verdict(estimate: Estimate, card: int | None) -> Text:
    """`fits`, `just fits` or `does not fit`; empty where no card is known."""
    if card is not None and estimate.tight(card):
        return Text("just fits", "yellow")
    return Text(*VERDICTS[estimate.fits(card)])


def _choices(forecast: Forecast) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("method", "recipe"):
        table.add_column(name, no_wrap=True)
    for name in ("batch", *map(str, forecast.rows[0].peaks), *([] if forecast.card is None else ["longest"])):
        table.add_column(name, justify="right", no_wrap=True)
    for row in forecast.rows:
        first = row.run.batch == 1
        if first or row.longest != 0:
            names = (row.run.method if first else "", row.recipe.name if first else "")
            table.add_row(*names, str(row.run.batch), *_cells(row, forecast.card))
    return table


def _cells(row: Row, card: int | None) -> Iterator[Text]:
    for estimate in row.peaks.values():
        yield Text(f"{estimate.peak / GIB:.1f}", "green" if estimate.fits(card) else "dim")
    if row.longest is not None:
        yield Text(str(row.longest), "bold") if row.longest else Text("none", "red")


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
