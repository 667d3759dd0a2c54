"""`doctor fix --verify`: what the models answer before and after, ahead of anything that is written."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from doctor.commands import terminal
from doctor.model import Facts
from doctor.report import Report
from doctor.report.wording import count, homeless, printable, short, wrapped
from doctor.settings import UsageError
from doctor.verify import Interpreter, Verdict, verify
from doctor.verify.cases import cases

if TYPE_CHECKING:
    from rich.console import Console

    from doctor.fix.plan import Plan

SIGNS = {"equal": ("✓", "green"), "differs": ("✗", "bold red"), "unverified": ("?", "bold yellow")}
STATES = {"equal": "equal", "differs": "differs", "unverified": "could not be verified"}
REFUSED = "its numbers would change"
FORCE = "see above; `--force` rewrites it all the same"


def verdicts(plan: Plan, report: Report, options: argparse.Namespace) -> tuple[Verdict, ...]:
    """Every model of the plan, verified; what is being done shows on the terminal meanwhile."""
    from doctor.scan.machine import free_memory

    interpreters = _interpreters(report.facts, options.verify_with)
    models = len(cases(plan, report.facts)[0])
    if models:
        whose = ", ".join(printable(homeless(each.executable, report)) for each in interpreters)
        terminal.line(terminal.stderr(), (f"Running the code of {count(models, 'model')} with {whose}", "dim"))
    with _progress() as say:
        return verify(plan, report.facts, interpreters, free_memory(), say)


def refuse(plan: Plan, found: tuple[Verdict, ...]) -> Plan:
    """The plan without the files of models that would answer otherwise."""
    paths = {path for verdict in found if verdict.state == "differs" for path in verdict.paths}
    return plan.without(paths, REFUSED, FORCE) if paths else plan


def _interpreters(facts: Facts, others: list[str]) -> list[Interpreter]:
    """The examined interpreter, with the PYTHONPATH that was counted as its own, and the others."""
    from doctor.scan.interpreter import locate

    environment = dict(os.environ)
    try:
        own = locate(None, environment, os.getcwd(), [])  # noqa: PTH109  scan has paths as strings
        found = [locate(each, environment, os.getcwd(), []) for each in others]  # noqa: PTH109
    except ValueError as error:
        raise UsageError(f"--verify-with: {error}") from error
    known = [facts.python, *found]
    for python in known:
        if not os.access(python.executable, os.X_OK):
            raise UsageError(f"--verify: {python.executable or 'the recorded interpreter'} cannot be run")
    path = environment.get("PYTHONPATH", "")
    return [
        Interpreter(python.executable, path if os.path.realpath(python.prefix) == os.path.realpath(own.prefix) else "")
        for python in known
    ]


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    console = terminal.stderr()
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("Verifying") as status:
        yield lambda text: status.update(f"Verifying {printable(text)}")


def show(found: tuple[Verdict, ...], report: Report, console: Console) -> None:
    """The verdicts, one model after the other."""
    if not found:
        terminal.line(console, ("Nothing to verify: no model's code would be rewritten", "bold"))
        return
    equal = sum(verdict.state == "equal" for verdict in found)
    head = f"Verified: {equal} of {count(len(found), 'model')} equal (their own code was run, in child processes)"
    terminal.line(console, (head, "bold"))
    for verdict in found:
        sign, style = SIGNS[verdict.state]
        terminal.line(
            console, "  ", (f"{sign} ", style), (short(verdict.folder, report), "cyan"), f"  {STATES[verdict.state]}"
        )
        for text, colour in (
            (verdict.reason, ""),
            *((note, "dim") for note in verdict.notes),
            (verdict.weights, "dim"),
        ):
            for words in wrapped(printable(homeless(text, report)), min(console.width, 100) - 4) if text else ():
                terminal.line(console, "    ", (words, colour))
