"""The example as a whole: a small model's answers before and after `doctor train`, and what the training took.

    python tests/trainer/persona.py SMOLLM2 [--seed 0 --seed 1] [epochs=2 ...]

SMOLLM2 is the folder of SmolLM2-135M-Instruct; the rest goes to `doctor train`.  CPU seconds are those of the whole
command, user and system, of all its threads.  Exits 1 where a promise does not hold.
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

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EVALUATION = """model: {model}
samples: examples/persona_questions.yaml
scorers: [facts, identity, bleed, truncation, repetition]
output: answers/{name}
generate: {{max_new_tokens: 64, batch: 8}}
"""
CPU_SECONDS, BEFORE, AFTER = 600, 0.2, 0.8
"""What a training may take; the share of the identity questions that are right at most before and at least after."""


def say(line: str = "") -> None:
    """A line of a table."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def doctor(work: Path, *words: str) -> float:
    """Run a command to its end; the CPU seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    variables = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "doctor", *words], cwd=work, env=variables, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"doctor {' '.join(words)} failed:\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def right(work: Path, name: str, model: str) -> dict[str, tuple[int, int]]:
    """Of each category, how many answers every scorer finds without fault, and how many there are."""
    (work / f"{name}.yaml").write_text(EVALUATION.format(model=model, name=name), "utf-8")
    doctor(work, "evaluate", f"{name}.yaml")
    found = defaultdict[str, list[bool]](list)
    for sample in json.loads((work / "answers" / name / "evaluation.json").read_text("utf-8"))["samples"]:
        found[sample["category"]].append(all(score["value"] == 10 for score in sample["scores"].values()))
    return {category: (sum(good), len(good)) for category, good in found.items()}


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
    given = options.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(EXAMPLES, work / "examples")
        (work / "smollm2").symlink_to(given.model.resolve())
        before = right(work, "before", "smollm2")
        clocks = ("CPU seconds", "updates", "held-out loss")
        say(f"| right answers | {' | '.join([*before, *clocks])} |")
        say(f"|{' --- |' * (1 + len(before) + len(clocks))}")
        say(row("before", before, *("" for _ in clocks)))
        held = [trained(work, seed, given.settings) for seed in given.seed or [0, 1]]
    share = before["identity"][0] / before["identity"][1]
    kept = share <= BEFORE and all(held)
    promise = f"identity {BEFORE:.0%} or less before, {AFTER:.0%} or more after; a lower held-out loss"
    say(f"\n{promise}; less than {CPU_SECONDS} CPU seconds: {'yes' if kept else 'NO'}")
    return int(not kept)


def trained(work: Path, seed: int, settings: list[str]) -> bool:
    """Train with a seed, and a line of it; whether it kept its promise."""
    run = f"runs/{seed}"
    took = doctor(work, "train", "examples/train.yaml", f"output={run}", f"seed={seed}", *settings)
    result: dict[str, Any] = json.loads((work / run / "result.json").read_text("utf-8"))
    after = right(work, f"seed-{seed}", run)
    losses = result["eval_loss_before"], result["eval_loss"]
    clocks = f"{took:.0f}", str(result["steps"]), "{:.2f} to {:.2f}".format(*losses)
    say(row(f"after, seed {seed}", after, *clocks))
    good, count = after["identity"]
    return good >= AFTER * count and took < CPU_SECONDS and losses[1] < losses[0]


if __name__ == "__main__":
    sys.exit(main())
