"""The example as a whole: a small model's answers before and after `doctor train`, and what the training took.

    python tests/trainer/persona.py SMOLLM2 [--seed 0 --seed 1] [--site 4.47.1=PLACE] [epochs=2 ...]

SMOLLM2 is the folder of SmolLM2-135M-Instruct; the rest goes to `doctor train`.  CPU seconds are those of the whole
command, user and system, of all its threads.  What the first seed made is scored once more on every other release (a
folder to be put on PYTHONPATH), and asked through llama.cpp.  Exits 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
EXAMPLES = TESTS.parent / "examples"
QUESTIONS = "examples/persona_questions.yaml"
EVALUATION = """model: {model}
samples: {questions}
scorers: [facts, identity, bleed, truncation, repetition]
output: answers/{name}
generate: {{max_new_tokens: 64, batch: 8}}
"""
Samples = list[dict[str, Any]]
CPU_SECONDS, BEFORE, AFTER = 600, 0.2, 0.8
"""What a training may take; the share of the identity questions that are right at most before and at least after."""


def say(line: str = "") -> None:
    """A line of a table."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def doctor(work: Path, *words: str, site: str = "") -> float:
    """Run a command to its end; the CPU seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": site}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "doctor", *words], cwd=work, env=variables, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"doctor {' '.join(words)} failed:\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scored(work: Path, name: str, model: str, site: str = "") -> Samples:
    """A model's answers with their scores."""
    (work / f"{name}.yaml").write_text(EVALUATION.format(model=model, name=name, questions=QUESTIONS), "utf-8")
    doctor(work, "evaluate", f"{name}.yaml", site=site)
    found: Samples = json.loads((work / "answers" / name / "evaluation.json").read_text("utf-8"))["samples"]
    return found


def right(samples: Samples) -> dict[str, tuple[int, int]]:
    """Of each category, how many answers every scorer finds without fault, and how many there are."""
    found = defaultdict[str, list[bool]](list)
    for sample in samples:
        found[sample["category"]].append(all(score["value"] == 10 for score in sample["scores"].values()))
    return {category: (sum(good), len(good)) for category, good in found.items()}


def elsewhere(work: Path, name: str, model: str, samples: Samples, sites: dict[str, str]) -> bool:
    """The same model on other releases, a line each: whether every answer and every score is the same."""
    kept = True
    for release, site in sites.items():
        others = scored(work, f"{name}-{release}", model, site)
        answers = sum(a["answer"] == b["answer"] for a, b in zip(samples, others, strict=True))
        scores = sum(a["scores"] == b["scores"] for a, b in zip(samples, others, strict=True))
        kept &= scores == len(samples)
        told = f"{name}, on {release}: of {len(samples)}, {answers} answers equal, {scores} times all scores"
        say(row(told, right(others), "", "", ""))
    return kept


def row(name: str, answers: dict[str, tuple[int, int]], *rest: str) -> str:
    """A line of the table."""
    parts = [f"{good} of {count}" for good, count in answers.values()]
    return f"| {' | '.join([name, *parts, *rest])} |"


def main() -> int:
    """Print the table; 1 where a promise does not hold."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("model", type=Path)
    options.add_argument("settings", nargs="*", metavar="key=value")
    options.add_argument("--seed", action="append", type=int)
    options.add_argument("--site", action="append", default=[], metavar="RELEASE=FOLDER")
    given = options.parse_intermixed_args()
    sites = dict(site.split("=", 1) for site in given.site)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(EXAMPLES, work / "examples")
        (work / "smollm2").symlink_to(given.model.resolve())
        samples = scored(work, "before", "smollm2")
        before = right(samples)
        clocks = ("CPU seconds", "updates", "held-out loss")
        say(f"| right answers | {' | '.join([*before, *clocks])} |")
        say(f"|{' --- |' * (1 + len(before) + len(clocks))}")
        say(row("before", before, *("" for _ in clocks)))
        held = [elsewhere(work, "before", "smollm2", samples, sites)]
        for number, seed in enumerate(given.seed or [0, 1]):
            held.append(trained(work, seed, given.settings, {} if number else sites))
        held.append(through_llama_cpp(work, f"runs/{(given.seed or [0])[0]}"))
    share = before["identity"][0] / before["identity"][1]
    kept = share <= BEFORE and all(held)
    promise = f"identity {BEFORE:.0%} or less before, {AFTER:.0%} or more after; a lower held-out loss"
    say(f"\n{promise}; less than {CPU_SECONDS} CPU seconds; elsewhere the same: {'yes' if kept else 'NO'}")
    return int(not kept)


def trained(work: Path, seed: int, settings: list[str], sites: dict[str, str]) -> bool:
    """Train with a seed, and a line of it; whether it kept its promise."""
    run = f"runs/{seed}"
    took = doctor(work, "train", "examples/train.yaml", f"output={run}", f"seed={seed}", *settings)
    result: dict[str, Any] = json.loads((work / run / "result.json").read_text("utf-8"))
    samples = scored(work, f"seed-{seed}", run)
    after, losses = right(samples), (result["eval_loss_before"], result["eval_loss"])
    clocks = f"{took:.0f}", str(result["steps"]), "{:.2f} to {:.2f}".format(*losses)
    say(row(f"after, seed {seed}", after, *clocks))
    same = elsewhere(work, f"after, seed {seed}", run, samples, sites)
    good, count = after["identity"]
    return same and good >= AFTER * count and took < CPU_SECONDS and losses[1] < losses[0]


def through_llama_cpp(work: Path, run: str) -> bool:
    """What was trained, merged, through transformers and as a GGUF through llama.cpp: whether it says the same."""
    doctor(work, "export", run)
    script = str(TESTS / "evaluate" / "same_answers.py")
    say()
    return subprocess.run([sys.executable, script, str(work / run / "merged"), QUESTIONS], cwd=work).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
