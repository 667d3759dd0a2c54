"""`torchrun ... -m doctor check`: every rank scans and judges, rank 0 prints the one report."""

from __future__ import annotations

import argparse
import socket
import time
from dataclasses import replace
from typing import Any

from doctor.commands.check import emit, examine, judge
from doctor.complaint import complain
from doctor.diagnose import Diagnosis
from doctor.rank import Rank
from doctor.ranks import Place, merge, wire
from doctor.report import Report
from doctor.settings import UsageError

CHECKS = ("rank-silent", "ranks-differ")


def run(options: argparse.Namespace, place: Place) -> int:
    """Rank 0 prints the report and returns its exit code; the others return 0 once they were heard."""
    return _first(options, place) if place.rank == 0 else _other(options, place)


def _other(options: argparse.Namespace, place: Place) -> int:
    host = socket.gethostname()
    try:
        report = examine(_quiet(options))
        told = merge.answer(place, host, report.facts, report.diagnosis)
    except UsageError as error:
        told = merge.failed(place, host, f"doctor: {error}")
    if reason := wire.send(place, told, options.patience):
        complain(f"rank {place.rank} on {host}: {reason}")
        return 1
    return 0


def _first(options: argparse.Namespace, place: Place) -> int:
    try:
        with wire.listening(place) as listener:
            report = examine(options)
            own = merge.answer(place, socket.gethostname(), report.facts, report.diagnosis)
            begun = time.monotonic()
            heard = {0: own, **listener.wait(options.patience)}
            waited = time.monotonic() - begun
    except OSError as error:
        raise UsageError(f"rank 0 cannot listen: {error}; choose another --master-port") from error
    report = _merged(report, heard, merge.ranks(heard, place, waited), options)
    emit(report, options)
    return int(report.failed)


def _merged(
    report: Report, heard: dict[int, dict[str, Any]], ranks: tuple[Rank, ...], options: argparse.Namespace
) -> Report:
    facts = replace(report.facts, ranks=ranks)
    asked = [name for name in CHECKS if (not options.select or name in options.select) and name not in options.ignore]
    about = judge(facts, (), asked, ()).findings if asked else ()
    found = merge.worst_first((*about, *merge.merged(heard)))
    return replace(report, facts=facts, diagnosis=Diagnosis(found, report.diagnosis.skipped))


def _quiet(options: argparse.Namespace) -> argparse.Namespace:
    """The options of a rank that prints nothing and writes no file beside rank 0's."""
    return argparse.Namespace(**{**vars(options), "output": None, "save_facts": None})
