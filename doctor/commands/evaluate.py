"""`doctor evaluate`: a model's answers, scored; or two runs of the same questions, compared."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from doctor import __version__
from doctor.complaint import complain
from doctor.settings import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from doctor.evaluate.compare import Comparison
    from doctor.evaluate.config import Config, Judge
    from doctor.evaluate.evaluation import Evaluation
    from doctor.evaluate.report.text import Line

COMPARE = "compare"


def run(options: argparse.Namespace) -> int:
    """Print the report; 1 where the score is under --fail-under, or the last run is worse than the first."""
    first, *others = options.config
    if options.judge is not None and first != COMPARE:
        raise UsageError("--judge goes with compare; an evaluation's judge stands in its configuration")
    if first == COMPARE and not (others == [] and Path(first).is_file()):
        return _compare(options, others)
    if others:
        raise UsageError(f"one configuration at a time, not {others[0]!r} too; to compare: doctor evaluate compare A B")
    return _evaluate(options, Path(first))


def _evaluate(options: argparse.Namespace, path: Path) -> int:
    from doctor.evaluate.advice import advice
    from doctor.evaluate.config import read_config
    from doctor.evaluate.report import html, json, markdown, text

    config = read_config(path)
    found = _recorded(config, Path(options.answers)) if options.answers else _asked(config, options.fresh)
    found = _judged(found, config, options.fresh)
    given = advice(found, _explained())
    write: dict[str, Callable[[], str]] = {
        "json": cache(lambda: json.render(found, given, __version__)),
        "markdown": lambda: markdown.render(found, given),
        "html": cache(lambda: html.render(found, given, __version__)),
    }
    if not options.answers:
        _keep(_folder(config), {json.FILE: write["json"](), "report.html": write["html"]()})
    _emit(
        options,
        write.get(options.format),
        lambda width, unicode: text.lines(found, given, width, unicode, options.verbose),
    )
    mean = found.summary().mean
    return int(options.fail_under is not None and (mean is None or mean < options.fail_under))


def _recorded(config: Config, path: Path) -> Evaluation:
    """Recorded answers, scored; no model is asked."""
    from doctor.evaluate.answers import read_answers
    from doctor.evaluate.evaluation import evaluate

    answers, strangers = read_answers(path, {sample.id for sample in config.samples})
    if strangers:
        belong = "belongs" if len(strangers) == 1 else "belong"
        complain(
            f"{path}: {len(strangers)} of its answers {belong} to no sample, the first has the id {strangers[0]!r}"
        )
    return evaluate(config.samples, answers, config.scorers, path.name)


def _asked(config: Config, fresh: bool) -> Evaluation:
    """A model's answers, scored; they are kept in the run's folder as they come."""
    from dataclasses import replace

    from doctor.evaluate.backends import ask_model
    from doctor.evaluate.evaluation import evaluate
    from doctor.evaluate.ledger import Ledger

    if not config.model:
        raise UsageError(f"{config.path}: has no 'model' to ask; score recorded answers with --answers FILE.jsonl")
    with Ledger(_folder(config)).open(fresh) as ledger, _progress() as told:
        asked = ask_model(config, ledger, told)
    if asked.known:
        complain(f"{asked.known} of {len(asked.answers)} answers were in {ledger.path} already; --fresh asks again")
    run = evaluate(config.samples, asked.answers, config.scorers, Path(asked.name).name)
    return replace(run, settings=asked.settings, tasks=asked.tasks)


def _judged(run: Evaluation, config: Config, fresh: bool) -> Evaluation:
    """The run with the judge's scores, where there is one; its grades are kept as the answers are."""
    if not config.judge.url:
        return run
    from doctor.evaluate.judge import FILE, judged
    from doctor.evaluate.ledger import Ledger

    with Ledger(_folder(config), FILE).open(fresh) as ledger, _progress() as told:
        return judged(run, config, ledger, told)


def _folder(config: Config) -> Path:
    return Path(config.output or f"runs/{config.path.stem}")


def _keep(folder: Path, files: dict[str, str]) -> None:
    from doctor.commands.check import write

    for name, content in files.items():
        write(folder / name, content)
    complain(f"kept in {folder}: {', '.join(files)}")


@contextmanager
def _progress() -> Iterator[Callable[[int, int, int], None]]:
    """A line on the terminal while answers come in; nothing where stderr is none."""
    if not sys.stderr.isatty():
        yield lambda done, total, tokens: None
        return
    began: list[tuple[float, int]] = []

    def tell(done: int, total: int, tokens: int) -> None:
        began.append((time.monotonic(), done))
        (first, before), (now, _) = began[0], began[-1]
        left = f", {(total - done) * (now - first) / (done - before):.0f} s left" if done > before else ""
        speed = f", {tokens / (now - first):.0f} tokens/s" if tokens and now > first else ""
        sys.stderr.write(f"\r\x1b[KAsking: {done} of {total} answers{speed}{left}")
        sys.stderr.flush()

    try:
        yield tell
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _compare(options: argparse.Namespace, paths: list[str]) -> int:
    from doctor.evaluate.compare import compare
    from doctor.evaluate.report import compared, html_compared, json

    if len(paths) < 2:
        raise UsageError("name the runs to compare: doctor evaluate compare RUN_A RUN_B")
    if options.answers:
        raise UsageError("--answers goes with a configuration, not with compare")
    runs = _named([json.load(Path(path)) for path in paths], paths)
    found = compare(runs)
    if options.judge is not None:
        judge = _pair_judge(options, runs)
        found = _pairs_judged(found, judge, Path(paths[-1]), options.fresh)
    write = {
        "json": lambda: compared.render_json(found, __version__),
        "markdown": lambda: compared.render_markdown(found),
        "html": lambda: html_compared.render(found, __version__),
    }
    _emit(
        options,
        write.get(options.format),
        lambda width, unicode: compared.lines(found, width, unicode, options.verbose),
    )
    worse = any(one.total.told and one.total.gain.mean < 0 for one in found)
    return int(options.fail_if_worse and worse)


def _pair_judge(options: argparse.Namespace, runs: list[Evaluation]) -> Judge:
    """The judge that --judge names, else the one that graded the runs."""
    from doctor.evaluate.config import Judge

    if options.judge:
        if not options.judge.startswith(("http://", "https://")):
            raise UsageError(f"--judge takes a URL, not {options.judge!r}: put it behind the runs")
        return Judge(options.judge, options.judge_model)
    graded = (run.settings.get("judge") for run in runs)
    known = next((one for one in graded if isinstance(one, dict) and one.get("url")), None)
    if known is None:
        raise UsageError("no run was graded by a judge: name one, --judge http://127.0.0.1:8080/v1")
    return Judge(known["url"], options.judge_model or known.get("model", ""))


def _pairs_judged(found: list[Comparison], judge: Judge, last: Path, fresh: bool) -> list[Comparison]:
    """The comparisons with the judge's opinions, which are kept beside the last run."""
    from doctor.evaluate.ledger import Ledger
    from doctor.evaluate.pairwise import BATCH, FILE, judged_pairs

    folder = last if last.is_dir() else last.parent
    with Ledger(folder, FILE).open(fresh) as ledger, _progress() as told:
        return [judged_pairs(one, judge, BATCH, ledger, told) for one in found]


def _named(runs: list[Evaluation], paths: list[str]) -> list[Evaluation]:
    """The runs, by their paths where two have the same name."""
    from dataclasses import replace

    if len({run.name for run in runs}) == len(runs):
        return runs
    return [replace(run, name=path) for run, path in zip(runs, paths, strict=True)]


def _explained() -> frozenset[str]:
    """The ids that `doctor explain` has a page for."""
    from doctor.diagnose import checks

    return frozenset(check.id for check in checks())


def _emit(
    options: argparse.Namespace, write: Callable[[], str] | None, lines: Callable[[int, bool], Iterable[Line]]
) -> None:
    """Print the report, or write it to --output; text as wide and as colourful as stdout is."""
    from doctor.commands.check import write as write_file

    if write is None and not options.output and (sys.stdout.isatty() or "FORCE_COLOR" in os.environ):
        from rich.text import Text

        from doctor.commands.terminal import stdout

        console = stdout()
        for line in lines(console.width, "utf" in console.encoding.lower()):
            console.print(Text.assemble(*line), soft_wrap=True)
        return
    if write:
        page = write()
    else:
        from doctor.evaluate.report.text import plain

        columns = os.environ.get("COLUMNS", "")
        unicode = bool(options.output) or "utf" in (sys.stdout.encoding or "").lower()
        page = plain(lines(int(columns) if columns.isdecimal() else 80, unicode))
    if options.output:
        write_file(Path(options.output), page)
    else:
        sys.stdout.write(page)
