"""`doctor fit`: what a model takes to load, train and generate, and what fits the card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from doctor.diagnose import assume
from doctor.model import Facts
from doctor.settings import UsageError

if TYPE_CHECKING:
    from packaging.version import Version

    from doctor.memory.forecast import Forecast
    from doctor.memory.run import Run


def run(options: argparse.Namespace) -> int:
    """Print the forecast; 1 where a card is known and nothing trains on it."""
    found = _forecast(options)
    _emit(found, options)
    return int(found.card is not None and found.choice is None)


def _forecast(options: argparse.Namespace) -> Forecast:
    from doctor.memory.forecast import METHODS, forecast
    from doctor.scan import Request, nothing, scan

    try:
        facts = scan(Request(python=options.python, model=options.model, wanted=nothing, caches=False))
        releases = _releases(facts, options)
        card = _card(facts, options)
        methods = METHODS if options.method is None else (options.method,)
        return forecast(facts.models[0], _run(facts, options, card), releases, card, methods, options.model)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise UsageError(f"fit: {error}") from error


def _releases(facts: Facts, options: argparse.Namespace) -> list[Version]:
    """Those of --against, else the installed one, else the newest known."""
    return [assume(facts, requirement).transformers for requirement in options.against] or [facts.transformers]


def _card(facts: Facts, options: argparse.Namespace) -> int | None:
    """--vram, else what is free on the first GPU."""
    from doctor.size import parse

    if options.vram:
        return parse(options.vram)
    return next((gpu.free for gpu in facts.machine.gpus if gpu.free), None)


def _run(facts: Facts, options: argparse.Namespace, card: int | None) -> Run:
    from doctor.memory.fitting import RECIPES, quant_of
    from doctor.memory.forecast import asynchronous
    from doctor.memory.run import Method, Run

    method: Method = options.method or "qlora"
    plain = Run(
        method=method,
        quant=options.quant or quant_of(method),
        max_length=options.max_length,
        batch=options.batch,
        rank=options.rank,
        accumulate=options.accumulate,
        optimizer=options.optimizer,
        attention=options.attention,
        prompt=options.prompt,
        new_tokens=options.new_tokens,
        device="cpu" if card is None and facts.machine.backend == "none" else "gpu",
        asynchronous=asynchronous(facts.variables),
    )
    return RECIPES[options.recipe].of(plain)


def _emit(found: Forecast, options: argparse.Namespace) -> None:
    from doctor.commands.terminal import stdout

    console = stdout()
    if options.format == "text" and not options.output and console.is_terminal:
        from doctor.report import fit_text

        fit_text.show(found, console)
        return
    text = _rendered(found, options.format, 120 if options.output else console.width)
    if not options.output:
        sys.stdout.write(text)
        return
    try:
        Path(options.output).write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {options.output}: {error.strerror}") from error


def _rendered(found: Forecast, form: str, width: int) -> str:
    if form == "json":
        from doctor.report import fit_json

        return fit_json.render(found)
    if form == "html":
        from doctor.report import fit_html

        return fit_html.render(found)
    from io import StringIO

    from rich.console import Console

    from doctor.report import fit_text

    page = StringIO()
    fit_text.show(found, Console(file=page, width=width, highlight=False, emoji=False))
    return "".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines())
