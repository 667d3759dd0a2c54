"""`doctor fix --verify`: every model whose code would be rewritten, loaded and run before and after, and compared.

Nothing of the user's is written: the code, before and after, lies in a scratch folder, its weights are links to the
user's, or random ones for a small config of the same kind.  A model's code runs in child processes of the interpreter
that is examined (and of others that are named), never in the doctor's own.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from doctor.fix.plan import Plan
from doctor.model import Facts
from doctor.verify.ask import LIMIT, Say, ask
from doctor.verify.cases import Case, cases
from doctor.verify.small import plain, shrunk, special, vocabulary
from doctor.verify.verdict import Run, Verdict, judge

__all__ = ["Interpreter", "Verdict", "verify"]

SEED = 7
NEW_TOKENS = 5
"""With a short input they stay below the borders of a small config (`small.BORDERS`)."""
BATCHES = ((2, 10, 0), (2, 10, 4), (1, 40, 0))
"""Rows, tokens a row, and how many of the first row are padding on the left: `verdict.BATCHES`."""
BUILD = "build"
"""The stage of a run that made the random weights."""


@dataclass(frozen=True)
class Interpreter:
    """A Python with torch and transformers, and the PYTHONPATH that belongs to it."""

    executable: str
    path: str = ""


def verify(
    plan: Plan, facts: Facts, interpreters: Sequence[Interpreter], free: int | None, say: Say, limit: float = LIMIT
) -> tuple[Verdict, ...]:
    """A verdict for every model whose code the plan rewrites.

    `free`: RAM in bytes that a model may fill; `limit`: seconds for one child; `say` hears what is being done.
    """
    found, none = cases(plan, facts)
    verdicts = [Verdict(path, "unverified", reason, paths=frozenset([path])) for path, reason in none]
    for case in found:
        with tempfile.TemporaryDirectory(prefix="doctor-verify-") as scratch:
            verdicts.append(_Trial(case, Path(scratch), interpreters, say, limit).of(free))
    return tuple(sorted(verdicts, key=lambda verdict: verdict.folder))


class _Trial:
    """One case in its scratch folder: `before`, `after` and `native` hold what is loaded, `out` the logits."""

    def __init__(self, case: Case, scratch: Path, interpreters: Sequence[Interpreter], say: Say, limit: float) -> None:
        self.case, self.scratch, self.interpreters, self.say, self.limit = case, scratch, interpreters, say, limit
        self.files: tuple[str, ...] = ()

    def of(self, free: int | None) -> Verdict:
        """Load and run everything, then judge."""
        case, words = self.case, ""
        auto, own = case.auto
        if not own:
            return self._verdict("unverified", "config.json names no model class of the folder's own code", (), "")
        stored, why = case.stored(free)
        runs: list[Run] = []
        for config, words in self._configs(bool(stored), why):
            try:
                self._lay(config, stored)
            except (OSError, shutil.Error) as error:
                return self._verdict("unverified", f"its files cannot be copied: {error}", (), words)
            runs = [run for each in self.interpreters for run in self._runs(each, config, auto, own)]
            if not any(run.failed.startswith(BUILD) for run in runs if run.code == "after"):
                break
        judged = judge(runs)
        notes = judged.notes
        if judged.state == "unverified" and not runs[0].failed:
            release = case.model.config.get("transformers_version") or "the release it was written for"
            notes = (*notes, f"to compare it with what it was: --verify-with a Python that has transformers {release}")
        return Verdict(
            case.model.path, judged.state, judged.reason, judged.difference, words, notes, tuple(runs), case.paths
        )

    def _verdict(self, state: Any, reason: str, runs: tuple[Run, ...], words: str) -> Verdict:
        return Verdict(self.case.model.path, state, reason, None, words, (), runs, self.case.paths)

    def _configs(self, stored: bool, why: str) -> Iterable[tuple[dict[str, Any], str]]:
        """The configs to try, one after the other, until the model can be built."""
        config = plain(self.case.model.config)
        if stored:
            yield config, "its own weights, as 32-bit numbers"
            return
        size = "{} layers, {} tokens" if vocabulary(config) else "{} layers"
        for narrow in (True, False):
            small = shrunk(config, narrow)
            layers = next(
                (small[name] for name in ("num_hidden_layers", "n_layer", "num_layers") if name in small), "few"
            )
            yield (
                small,
                f"random weights, seed {SEED}, for its config with {size.format(layers, vocabulary(small))} ({why})",
            )

    def _lay(self, config: dict[str, Any], stored: Sequence[str]) -> None:
        """Write the folders that are loaded."""
        for name in ("before", "after", "native", "out", "weights"):
            shutil.rmtree(self.scratch / name, ignore_errors=True)
        self.files = tuple(map(os.path.abspath, stored)) or (str(self.scratch / "weights/model.safetensors"),)
        (self.scratch / "out").mkdir(parents=True)
        (self.scratch / "weights").mkdir()
        code = Path(self.case.code)
        for side in ("before", "after", "native"):
            folder = self.scratch / side / "model"
            folder.mkdir(parents=True)
            shown = {key: value for key, value in config.items() if side != "native" or key != "auto_map"}
            (folder / "config.json").write_text(json.dumps(shown, indent=2), "utf-8")
            for file in self.files:
                (folder / Path(file).name).symlink_to(file)
            for index in Path(self.case.model.path).glob("*.index.json") if stored else ():
                shutil.copyfile(index, folder / index.name)
            for source in sorted(code.rglob("*.py")) if side != "native" else ():
                copy = folder / source.relative_to(code)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, copy)
        for name, data in self.case.after.items():
            (self.scratch / "after/model" / name).write_bytes(data)

    def _runs(self, interpreter: Interpreter, config: dict[str, Any], auto: str, own: str) -> list[Run]:
        """What an interpreter makes of the file after the fix, of the file before, and of its own class."""
        found: list[Run] = []
        wanted = ["loaded", "built", *(["native"] if self.case.native else [])]
        for code, asked in (("after", ["loaded"]), ("before", wanted)):
            place = f"{self.interpreters.index(interpreter)}-{code}"
            out = self.scratch / "out" / place
            out.mkdir(parents=True, exist_ok=True)
            job = {
                "folder": str(self.scratch / code / "model"), "plain": str(self.scratch / "native/model"),
                "weights": list(self.files), "runs": asked, "auto": auto, "class": own, "native": self.case.native,
                "generates": auto != "AutoModel" and "For" in auto, "batches": batches(config), "seed": SEED,
                "new_tokens": NEW_TOKENS, "out": str(out),
            }  # fmt: skip
            who = f"{Path(self.case.model.path).name}, {code} the fix"
            self.say(who)
            say = partial(_with, self.say, who)
            home = self.scratch / "home" / place
            release, answers, ended = ask(interpreter.executable, job, home, say, interpreter.path, self.limit)
            told = {answer["run"]: answer for answer in answers}
            found += [_run(code, run, release, interpreter, told.get(run), ended) for run in asked]
        return found


def _with(say: Say, who: str, text: str) -> None:
    say(f"{who}: {text}")


def _run(code: str, run: str, release: str, interpreter: Interpreter, answer: dict[str, Any] | None, ended: str) -> Run:
    answer = answer or {"failed": ended or "no answer", "stage": "run"}
    failed = f"{answer['stage']}: {answer['failed']}" if answer["failed"] else ""
    return Run(
        code="native" if run == "native" else "before" if code == "before" else "after",
        how="built" if run == "built" else "loaded",
        release=release,
        python=interpreter.executable,
        failed=failed,
        missing=tuple(answer.get("missing", ())),
        logits=answer.get("logits", ""),
        counts=tuple(answer.get("counts", ())),
        tokens=answer.get("tokens", ()),
        silent=answer.get("generate", ""),
    )


def batches(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Token ids that mean nothing special, with their masks: the same for the same config."""
    numbers, meaning = random.Random(SEED), special(config)
    size = vocabulary(config) or 128
    ids = [number for number in range(min(10, size // 2), max(size * 3 // 4, 1)) if number not in meaning] or [0]
    pad = config.get("pad_token_id")
    filler = pad if isinstance(pad, int) and 0 <= pad < size else 0
    made = []
    for rows, length, padding in BATCHES:
        batch = [[numbers.choice(ids) for _ in range(length)] for _ in range(rows)]
        mask = [[1] * length for _ in range(rows)]
        batch[0][:padding], mask[0][:padding] = [filler] * padding, [0] * padding
        made.append({"ids": batch, "mask": mask})
    return made
