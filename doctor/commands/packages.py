"""`doctor fix --packages`: the remedies for packages as one installation, worked out, shown, asked for, carried out."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from doctor.commands import terminal
from doctor.commands.patience import patience
from doctor.complaint import complain
from doctor.install import Installation, Move, Pin
from doctor.report import Report
from doctor.report.wording import count, homeless, printable, short, wrapped
from doctor.settings import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from doctor.fix import Left
    from doctor.fix.journal import Run


def installed(prefix: str) -> Mapping[str, str]:
    """The versions that an environment has now, by name."""
    from doctor.scan import interpreter, packages

    python = interpreter.locate(prefix, os.environ, os.getcwd(), [])  # noqa: PTH109  scan has paths as strings
    return {name: package.version for name, package in packages.read(python, [])[0].items()}


def worked_out(options: argparse.Namespace, report: Report) -> tuple[Installation | None, tuple[Left, ...]]:
    """The installation that carries out the remedies, None where there is nothing to install; and what is left."""
    from doctor.fix import Left
    from doctor.install import resolver
    from doctor.install.wishes import wishes

    facts = report.facts
    if options.facts or options.against:
        raise UsageError("--packages: installs for what is installed here: leave --facts and --against out")
    pins = _pins(report)
    asked = wishes(report.diagnosis, facts, pins)
    if not asked:
        return None, asked.left
    tool = resolver.installer(facts)
    if tool is None:
        where = facts.python.prefix
        return None, (*asked.left, Left("packages", f"{where} has no pip, and there is no uv: run `ensurepip` there"))
    with patience(f"Asking the package index with {tool.name}"):
        found = resolver.resolve(asked, facts, tool, pins)
    if found.reason:
        wanted = " ".join(asked.requirements)
        return None, (*asked.left, Left("packages", f"no set of versions has {wanted}: {found.reason}"))
    gone = [Move(name, facts.packages[name].version, None) for name in asked.removed if name in facts.packages]
    moves = (*gone, *(move for move in found.moves if move.name not in asked.removed))
    return (Installation(facts.python.prefix, tool, moves) if moves else None), asked.left


def others(report: Report) -> tuple[str, ...]:
    """The commands of a report that `--packages` does not see to: those of hints, and those that are not pip's."""
    from doctor.install.wishes import commands
    from doctor.model import Severity

    rest = [f for f in report.diagnosis.findings if f.severity is Severity.HINT or not any(commands(f))]
    return tuple(dict.fromkeys(f.remedy.value for f in rest if f.remedy.kind == "command" and f.remedy.value))


def _pins(report: Report) -> tuple[Pin, ...]:
    from doctor.scan import pins

    facts = report.facts
    return tuple(Pin(text, short(path, report), line) for text, path, line in pins.read(facts.directory, facts.targets))


def show(wanted: Installation | None, left: tuple[Left, ...], report: Report, console: Console) -> None:
    """Print what would be installed, the one command that does it, and what is not part of it."""
    if wanted:
        where = short(wanted.prefix, report)
        terminal.line(console, (f"{count(len(wanted.moves), 'distribution')} to install into {where}", "bold"))
        for move in wanted.moves:
            terminal.line(console, "  ", printable(str(move)))
        terminal.line(console, "  ", (printable(command(wanted)), "bold green"))
    if left:
        terminal.line(console, ("Not installed", "bold"))
    for each in left:
        terminal.line(console, "  ", (printable(each.path), "cyan"))
        text = "; ".join(filter(None, (each.reason, each.remedy)))
        for words in wrapped(printable(homeless(text, report)), min(console.width, 100) - 4):
            terminal.line(console, "    ", words)


def command(wanted: Installation) -> str:
    """The whole installation as one command line."""
    return " && ".join(map(shlex.join, wanted.commands))


def apply(wanted: Installation, options: argparse.Namespace, console: Console) -> bool:
    """Carry it out where --python names the environment; whether all of it is done."""
    from doctor.fix import Refused
    from doctor.fix.journal import Journal
    from doctor.install.carry_out import carry_out

    if not options.python:
        again = f"--python {shlex.quote(wanted.prefix)}"
        complain(f"nothing was installed: name the environment, {again}, or run the command above")
        return False
    try:
        with patience(f"Installing {count(len(wanted.moves), 'distribution')}"):
            done = carry_out(wanted, Journal(None), installed)
    except Refused as refused:
        complain(f"nothing was installed: {refused}")
        return False
    _say(done, console)
    return done.state == "done" and not done.left


def _say(done: Run, console: Console) -> None:
    assert done.installation
    moves = count(len(done.installation.moves), "distribution")
    if done.state == "done" and not done.left:
        terminal.line(console, f"Installed {moves}. Take it back: ", (f"doctor undo {done.id}", "bold green"))
    elif done.state == "undone":
        terminal.line(console, ("! ", "bold yellow"), "The installation failed, and what was there is back:")
    else:
        terminal.line(console, ("! ", "bold red"), "The installation failed, and what was there is not back:")
    for left in done.left:
        terminal.line(console, "  ", printable("; ".join(filter(None, (left.reason, left.remedy)))))
