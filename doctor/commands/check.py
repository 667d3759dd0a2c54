"""`doctor check`: scan, judge, report."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from doctor.commands.patience import patience
from doctor.diagnose import CRASHED, Diagnosis, assume, diagnose, known, wanted
from doctor.model import Facts, Finding, Severity
from doctor.report import Report, render
from doctor.report.wording import severity
from doctor.settings import Settings, UsageError, chosen_ids, read_settings


def run(options: argparse.Namespace) -> int:
    """Print the report; 1 where something is at or above --fail-on."""
    if os.environ.get("RANK") and not options.facts:
        from doctor import ranks

        if place := ranks.place(os.environ):
            from doctor.commands import ranks as together

            return together.run(options, place)
    report = examine(options)
    emit(report, options)
    return int(report.failed)


def emit(report: Report, options: argparse.Namespace) -> None:
    """Print the report, or write it to --output."""
    if options.statistics:
        sys.stdout.write(render(report, "statistics"))
    elif options.output:
        write(options.output, render(report, options.format))
    elif options.format == "text":
        _print(report)
    else:
        sys.stdout.write(render(report, options.format))


def _print(report: Report) -> None:
    """The text report, as wide and as colourful as stdout is."""
    from doctor.report import text

    if sys.stdout.isatty() or "FORCE_COLOR" in os.environ:
        from doctor.commands.terminal import stdout

        text.show(report, stdout())
    else:
        unicode = "utf" in (sys.stdout.encoding or "").lower()
        columns = os.environ.get("COLUMNS", "")
        sys.stdout.write(text.render(report, int(columns) if columns.isdecimal() else 80, unicode))


def examine(options: argparse.Namespace) -> Report:
    """What the options ask for, seen and judged."""
    settings = read_settings(os.getcwd())
    if options.config:
        from doctor.commands.configuration import take

        take(options)
    select, ignore = _chosen(options, settings)
    with patience("Examining"):
        facts = gather(options)
        diagnosis = settings.without_ignored(judge(facts, options.against, select, ignore))
    if options.python:
        diagnosis = _aimed(diagnosis, facts.python.executable)
    fail_on = Severity(options.fail_on) if options.fail_on else settings.fail_on or Severity.ERROR
    return Report(
        facts=replace(facts, against=", ".join(options.against) or facts.against),
        diagnosis=diagnosis,
        against=tuple(options.against),
        fail_on=fail_on,
        fix=_again("fix", options),
        home=os.path.expanduser("~"),
        verbose=options.verbose,
    )


def gather(options: argparse.Namespace) -> Facts:
    """The facts: recorded ones, or those of a scan; saved where asked."""
    facts = _asked(_recorded(options.facts) if options.facts else _scanned(options), options)
    if options.save_facts:
        from doctor.facts import dump

        write(options.save_facts, json.dumps(dump(facts)) + "\n")
    return facts


def _asked(facts: Facts, options: argparse.Namespace) -> Facts:
    """The facts with what the options say of the run; recorded ones keep what they say themselves."""
    from doctor.size import parse

    try:
        vram = parse(options.vram) if options.vram else facts.vram
    except ValueError as error:
        raise UsageError(f"--vram: {error}") from error
    return replace(facts, vram=vram, max_length=options.max_length or facts.max_length)


def judge(facts: Facts, against: Sequence[str], select: Sequence[str], ignore: Sequence[str]) -> Diagnosis:
    """The diagnosis on the installed release, or on every release of --against."""
    try:
        assumed = [assume(facts, requirement) for requirement in against]
    except ValueError as error:
        raise UsageError(f"--against: {str(error).splitlines()[0]}") from error
    answers = [diagnose(each, select, ignore) for each in assumed or [facts]]
    return answers[0] if len(answers) == 1 else _merged(against, answers)


def _aimed(diagnosis: Diagnosis, python: str) -> Diagnosis:
    """The commands, with the pip of the examined environment: the one on PATH is another's."""
    pip = f"{shlex.quote(python)} -m pip "

    def aimed(finding: Finding) -> Finding:
        remedy = finding.remedy
        if remedy.kind != "command" or not (remedy.value or "").startswith("pip "):
            return finding
        text, value = (re.sub(r"(^|`)pip ", lambda m: m[1] + pip, words) for words in (remedy.text, remedy.value or ""))
        return replace(finding, remedy=replace(remedy, text=text, value=value))

    return replace(diagnosis, findings=tuple(map(aimed, diagnosis.findings)))


def write(path: str | os.PathLike[str], text: str) -> None:
    """Write a file the user named."""
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _merged(against: Sequence[str], answers: Sequence[Diagnosis]) -> Diagnosis:
    """One finding for each place and construct, at its worst, saying on which releases it is that."""
    held: dict[object, list[tuple[str, Finding]]] = {}
    for requirement, answer in zip(against, answers, strict=True):
        for finding in answer.findings:
            held.setdefault((finding.id, finding.where, finding.construct), []).append((requirement, finding))
    merged = []
    for cases in held.values():
        worst = min((finding for _, finding in cases), key=_rank)
        releases = list(dict.fromkeys(requirement for requirement, finding in cases if _rank(finding) == _rank(worst)))
        where = f"all {len(against)} releases" if len(releases) == len(against) else ", ".join(releases)
        merged.append(replace(worst, message=f"{worst.message} (on {where})"))
    skipped = dict.fromkeys(skip for answer in answers for skip in answer.skipped)
    return Diagnosis(tuple(sorted(merged, key=_order)), tuple(skipped))


def _rank(finding: Finding) -> int:
    return list(Severity).index(severity(finding))


def _order(finding: Finding) -> tuple[int, str, int]:
    where = finding.where
    return _rank(finding), where.path if where else "", (where.line or 0) if where else 0


def _chosen(options: argparse.Namespace, settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    ids = [*(check.id for check in known()), CRASHED]
    select = chosen_ids(options.select, ids, "--select") or settings.select
    return select, (*chosen_ids(options.ignore, ids, "--ignore"), *settings.ignore)


def _scanned(options: argparse.Namespace) -> Facts:
    from doctor.scan import Request, scan

    to_fix = bool(options.command == "fix" or options.save_facts)
    request = Request(
        tuple(options.targets),
        options.python,
        options.model,
        tuple(options.data),
        options.max_length,
        options.system,
        wanted=partial(wanted, to_fix=to_fix),
        probe=options.probe,
    )
    try:
        return scan(request)
    except ValueError as error:
        if type(error) is not ValueError:  # UnicodeError and the like are ours to mend
            raise
        raise UsageError(str(error)) from error


def _recorded(path: str) -> Facts:
    from doctor.facts import load

    try:
        with open(path, encoding="utf-8") as file:
            return load(json.load(file))
    except OSError as error:
        raise UsageError(f"--facts: cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"--facts: {path} holds no facts of `doctor check --save-facts`: {error}") from error


def _again(command: str, options: argparse.Namespace) -> str:
    """The command line that does another command on the same targets."""
    words = ["doctor", command]
    for name in ("python", "model"):
        if value := getattr(options, name):
            words += [f"--{name}", value]
    words += [word for path in options.data for word in ("--data", path)]
    if options.vram:
        words += ["--vram", options.vram]
    if options.max_length:
        words += ["--max-length", str(options.max_length)]
    words += [word for requirement in options.against for word in ("--against", requirement)]
    return shlex.join([*words, *options.targets])
