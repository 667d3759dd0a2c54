"""`doctor fix`: one plan, a question, the edits, and a look at what remains."""

from __future__ import annotations

import argparse
import copy
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from doctor import index
from doctor.commands import packages, terminal
from doctor.commands.check import emit, examine
from doctor.commands.patience import patience
from doctor.complaint import complain
from doctor.report import Report
from doctor.report.wording import closing, count, short
from doctor.settings import chosen_ids

if TYPE_CHECKING:
    from rich.console import Console

    from doctor.fix.journal import Run
    from doctor.fix.plan import Plan
    from doctor.install import Installation


def run(options: argparse.Namespace) -> int:
    """Print the plan, apply it where it may be, and return 1 where something at or above --fail-on remains."""
    from doctor.commands.plan import show
    from doctor.fix.plan import plan

    unsafe = chosen_ids(options.unsafe, (entry.id for entry in index.entries()), "--unsafe", "patch")
    report = examine(options)
    with patience("Writing the plan"):
        todo = plan(report.diagnosis, report.facts, unsafe)
    # Where the report or the diff is for a program, the plan is progress.
    plain = options.format == "text" and not options.output and not options.diff
    console = terminal.stdout() if plain else terminal.stderr()
    if options.verify or options.verify_with:
        todo, report = _verified(todo, report, options, console)
    if options.diff:
        terminal.diff(todo.diff(), terminal.stdout())
    wanted, unwanted = packages.worked_out(options, report) if options.packages else (None, ())
    if options.packages:
        todo = replace(todo, commands=packages.others(report))
    if not options.diff:
        show(todo, report, console, diff=options.verbose or not options.yes)
    packages.show(wanted, unwanted, report, console)
    if options.diff:
        return _code(report)
    if not todo.edits and not wanted:
        return _remains(options, report, console)
    if not options.yes and not _agreed(_question(todo, wanted), console):
        return 1
    return _apply(todo, wanted, options, report, console)


def _question(todo: Plan, wanted: Installation | None) -> str:
    parts = [f"rewrite {count(len(todo.edits), 'file')}"] if todo.edits else []
    parts += [f"install {count(len(wanted.moves), 'distribution')}"] if wanted else []
    said = " and ".join(parts)
    return f"{said[:1].upper()}{said[1:]}?"


def _verified(todo: Plan, report: Report, options: argparse.Namespace, console: Console) -> tuple[Plan, Report]:
    """The plan less what would change a model's numbers, and the report with the verdicts, which are shown."""
    from doctor.commands import verified

    found = verified.verdicts(todo, report, options)
    verified.show(found, report, console)
    return todo if options.force else verified.refuse(todo, found), replace(report, verified=found)


def _code(report: Report) -> int:
    """1 where a finding remains, or a model is not known to be what it was."""
    return int(report.failed or any(verdict.state != "equal" for verdict in report.verified or ()))


def _agreed(question: str, console: Console) -> bool:
    """Whether the user says yes; without a terminal nobody can."""
    if not (sys.stdin and sys.stdin.isatty() and console.is_terminal):
        complain("nothing was changed, for there is no terminal to ask on: pass --yes to apply")
        return False
    try:
        answer = console.input(f"[bold]{question}[/] \\[y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() in ("y", "yes"):
        return True
    console.print("Nothing was changed.")
    return False


def _apply(
    todo: Plan, wanted: Installation | None, options: argparse.Namespace, report: Report, console: Console
) -> int:
    from doctor.fix import Refused
    from doctor.fix.apply import apply
    from doctor.fix.journal import Journal

    try:
        done = apply(todo, Journal(None))
    except Refused as refused:
        complain(f"nothing was changed: {refused}")
        return 1
    _say(done, report, console)
    as_planned = packages.apply(wanted, options, console) if wanted else True
    again = copy.copy(options)
    again.facts = again.save_facts = None
    code = _remains(options, replace(examine(again), verified=report.verified), console)
    return code if as_planned else code or 1


def _say(done: Run, report: Report, console: Console) -> None:
    if done.id:
        terminal.line(
            console,
            f"Rewrote {count(len(done.entries), 'file')}. Take it back: ",
            (f"doctor undo {done.id}", "bold green"),
        )
    for left in done.left:
        terminal.line(console, ("! ", "bold yellow"), f"{short(left.path, report)}: {left.reason}; {left.remedy}")


def _remains(options: argparse.Namespace, report: Report, console: Console) -> int:
    """Say what is left after the fix, which did what it could."""
    report = replace(report, fix="")
    if options.format != "text" or options.output:
        emit(report, options)
    elif report.diagnosis.findings:
        from doctor.report.text import show

        terminal.line(console, ("\nWhat remains", "bold"))
        show(report, console, brief=True)
    else:
        terminal.line(console, (f"✓ {closing(report)[0]}", "green"))
    return _code(report)
