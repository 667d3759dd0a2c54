"""What is looked at before a run: its data as the model reads them, its model, and what it takes of the card."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from doctor.commands.check import gather, judge
from doctor.diagnose import Diagnosis, checks
from doctor.model import Facts, Finding, Location, Remedy, Severity, complete
from doctor.report import Report
from doctor.settings import read_settings

if TYPE_CHECKING:
    from doctor.memory.run import Run
    from doctor.memory.shape import Shape
    from doctor.trainer.config import Config

FAMILIES = frozenset({"data", "chat", "model"})
MEMORY = "model-does-not-fit"
ASKED = frozenset({MEMORY, "cpu-only-torch"})
"""Checks of other families that decide whether a run can succeed."""


def preflight(config: Config) -> Report:
    """The report on a run that has not begun; `failed` says that it must not."""
    options = _options(config)
    facts = gather(options)
    settings = read_settings(str(Path.cwd()))
    select = [check.id for check in checks() if check.family in FAMILIES or check.id in ASKED - {MEMORY}]
    found = settings.without_ignored(judge(facts, (), select, settings.ignore))
    shortened = not any("too-long" in data.seen for data in facts.data)
    data = [_shorter(finding) if shortened else finding for finding in found.findings]
    findings = (*data, *(() if MEMORY in settings.ignore else _memory(config, facts)))
    return Report(facts, Diagnosis(findings, found.skipped), home=str(Path("~").expanduser()), fix="")


def _shorter(finding: Finding) -> Finding:
    """Where every row fits once its oldest turns are gone, the trainer drops them, and cuts nothing."""
    return replace(finding, severity=Severity.WARNING) if finding.id == "answer-truncated" else finding


def _options(config: Config) -> argparse.Namespace:
    """What `doctor check` would be asked with."""
    from doctor.cli import parser

    asked = ["--python", sys.executable, "--model", config.model, "--data", config.data.path]
    options = parser().parse_args(["check", *asked, "--max-length", str(config.max_length)])
    options.vram, options.system = config.vram, config.data.system
    return options


def _memory(config: Config, facts: Facts) -> Iterator[Finding]:
    """The peaks of this very run beside the card; nothing on the CPU, or where no card is known."""
    from doctor.memory.loading import load
    from doctor.memory.run import CONTEXT
    from doctor.memory.shape import shape_of
    from doctor.memory.training import train
    from doctor.size import gib

    card = facts.vram or next((gpu.free for gpu in facts.machine.gpus if gpu.free), None)
    if card is None or config.device == "cpu" or not facts.models:
        return
    try:
        shape = shape_of(facts.models[0])
    except ValueError:
        return
    run, release = run_of(config, facts), facts.transformers
    for doing, estimate in (("loading it", load(shape, run, release, card)), ("this run", train(shape, run, release))):
        least = estimate.peak if shape.known else estimate.low
        if least + CONTEXT <= card:
            continue
        message = (
            f"{doing} takes {gib(estimate.peak)} {estimate.where}, with rows of {run.max_length} tokens; "
            f"{gib(card)} less {gib(CONTEXT)} of CUDA context are there"
        )
        where = Location(os.path.join(facts.models[0].path, "config.json"))  # noqa: PTH118 - Facts hold strings
        finding = Finding(message, _remedy(config, shape, run, facts, card), where, severity=Severity.ERROR)
        yield complete(finding, next(check for check in checks() if check.id == MEMORY))
        return


def run_of(config: Config, facts: Facts) -> Run:
    """The run as the memory model sees it; rows are no longer than the longest there is."""
    from doctor.memory.run import Run

    longest = max((data.longest for data in facts.data), default=0)
    return Run(
        method=config.method,
        quant=config.quant if config.method == "qlora" else "none",
        max_length=min(config.max_length, longest) if longest and not config.packing else config.max_length,
        batch=config.batch,
        rank=config.lora.r,
        accumulate=config.accumulate,
        optimizer=_optimizer(config),
        upcast=False,
        fused_loss=True,
        checkpointing=config.checkpointing is not False or config.offload,
        offload=config.offload,
        attention="eager" if config.attention == "eager" else "sdpa",
        asynchronous=False,
    )


def _optimizer(config: Config) -> Literal["paged-adamw-8bit", "adamw-8bit", "adamw"]:
    if config.optimizer == "auto":
        return "adamw" if config.method == "full" else "paged-adamw-8bit"
    return config.optimizer


def _remedy(config: Config, shape: Shape, run: Run, facts: Facts, card: int) -> Remedy:
    """The first change, by what it costs, with which it fits."""
    from doctor.memory.fitting import longest
    from doctor.memory.training import train
    from doctor.size import gib

    lean = replace(run, batch=1, checkpointing=True)
    changes = [
        ("batch: 1\ncheckpointing: true", lean),
        ("batch: 1\noffload: true", replace(lean, offload=True)),
        ("batch: 1\noffload: true\nmethod: qlora", replace(lean, offload=True, method="qlora", quant="nf4-double")),
    ]
    for text, changed in changes:
        estimate = train(shape, changed, facts.transformers)
        if estimate.fits(card):
            said = ", ".join(f"`{line}`" for line in text.splitlines())
            return Remedy("config", f"set {said}: the run then takes {gib(estimate.peak)}", text)
    most = longest(shape, changes[-1][1], facts.transformers, card, config.max_length)
    if most:
        text = f"{changes[-1][0]}\nmax_length: {most}"
        return Remedy("config", f"set {', '.join(f'`{line}`' for line in text.splitlines())}", text)
    return Remedy("advice", "take a smaller model, or a card with more memory")
