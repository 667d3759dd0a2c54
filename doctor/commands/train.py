"""`doctor train`: look at the run first, refuse what cannot succeed, train, say where the result is."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from doctor.commands.patience import patience
from doctor.complaint import complain
from doctor.settings import UsageError

if TYPE_CHECKING:
    from doctor.report import Report
    from doctor.trainer.config import Config


def run(options: argparse.Namespace) -> int:
    """Train; 1 where the preflight refuses."""
    from doctor.trainer import require

    if options.schema:
        require("pydantic")
        from doctor.trainer.config import schema

        sys.stdout.write(schema())
        return 0
    if not options.config:
        raise UsageError("name the configuration: doctor train CONFIG.yaml")
    require()
    from doctor.trainer.config import read_config

    path, *overrides = options.config
    config = read_config(Path(path), overrides)
    report = _looked(config, Path(path))
    if report.failed and not options.force:
        return _refused(report)
    if options.dry_run:
        return _planned(config)
    return _trained(config, report, options)


def _looked(config: Config, path: Path) -> Report:
    from doctor.commands.preflight import preflight

    with patience("Looking at the data"):
        report = preflight(config)
    counted = report.summary
    said = ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counted.items() if count)
    shown = "it" if sum(counted.values()) == 1 else "them"
    if not report.failed:
        again = f"{said}; doctor check --config {shlex.quote(str(path))} shows {shown}" if said else "nothing to say"
        sys.stderr.write(f"Preflight: {again}\n")
    return report


def _refused(report: Report) -> int:
    from doctor.commands.terminal import stdout
    from doctor.report import text

    text.show(report, stdout(), brief=True)
    complain("not trained: mend the errors above, or train all the same with --force")
    return 1


def _planned(config: Config) -> int:
    """What a run would do; no model is loaded."""
    from doctor.trainer.data import prepare
    from doctor.trainer.model import load_tokenizer
    from doctor.trainer.plan import Plan

    tokenizer = load_tokenizer(config.model, revision=config.revision, trust_remote_code=config.trust_remote_code)
    prepared = prepare(config, tokenizer)
    plan, data = Plan(config, prepared.store, prepared.train), prepared.report
    lines = [
        f"{data['rows']:,} rows: {data['train']:,} to train on, {data['holdout']:,} held out, "
        f"{data['refused_count']:,} refused, {data['shortened']:,} without their oldest turns",
        *(f"  {row['row']} {row['why']}" for row in data["refused"][:10]),
        f"{data['tokens']:,} tokens, {data['learnt']:,} of them learnt; the longest row has {data['longest']:,}, "
        f"max_length is {data['max_length']:,}",
        f"{plan.updates:,} updates, {plan.updates_an_epoch:,} an epoch; the run goes to {config.output}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _trained(config: Config, report: Report, options: argparse.Namespace) -> int:
    from doctor.facts import dump
    from doctor.trainer.train import train

    facts = json.dumps(dump(report.facts, sources=False))
    flags = [f"--{name}" for name in ("force", "resume", "fresh") if getattr(options, name)]
    command = shlex.join(["doctor", "train", *options.config, *flags])
    train(config, options.resume, options.fresh, command, facts)
    if os.environ.get("RANK", "0") == "0":
        sys.stdout.write(_said(Path(config.output)))
    return 0


def _said(folder: Path) -> str:
    """What came out, and what one does next."""
    from doctor.trainer.report import run, text
    from doctor.trainer.run_folder import RunFolder

    columns, encoding = os.environ.get("COLUMNS", ""), sys.stdout.encoding or ""
    width = int(columns) if columns.isdecimal() else shutil.get_terminal_size().columns
    lines = [*text.lines(run.read(folder), width, "utf" in encoding.lower()), ""]
    lines += [
        f"{RunFolder(folder).report} shows the run",
        f"doctor export {shlex.quote(str(folder))} makes a model of it",
    ]
    return "\n".join(lines) + "\n"
