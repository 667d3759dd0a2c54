"""What docs/training.md says, measured: the same run on every release, killed runs, two processes, and its speed.

    python tests/trainer/matrix.py --site 4.47=PLACE ... [--model SMOLLM2] [--tries 10]

A site has one release of transformers: a folder to be put on PYTHONPATH, or an interpreter.  The others are compared
with the first.  Exits 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load_file

HERE = Path(__file__).parent
CLOCKS = ("seconds", "tokens_per_second", "memory")
LOSSES, ADAPTERS, BETWEEN = 1e-4, 1e-6, 1e-5
"""How far losses and adapters may be apart; adapters of one process and of two."""
LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517"],
    "accelerate launch": [
        "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2",
        "--main_process_port", "0",
    ],
}  # fmt: skip
"""Modules that start two processes on one machine; without a GPU, they talk over gloo."""
RIVALS = {"doctor": "doctor train", "trainer": "transformers.Trainer and peft", "trl": "TRL's SFTTrainer"}
SOME = 24
"""Rows whose training is timed."""
SPEAK = """
import json, sys, torch, transformers
from pathlib import Path
from doctor.trainer.model import load_run
run, ids = Path(sys.argv[1]), torch.arange(3, 27)[None]
def said(model):
    asked = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 24, "min_new_tokens": 24, "do_sample": False}
    return model.eval().generate(ids, **asked)[0, ids.shape[1]:].tolist()
merged = transformers.AutoModelForCausalLM.from_pretrained(run / "merged", torch_dtype=torch.float32)
print(json.dumps([said(load_run(run, "cpu")[0]), said(merged)]))
"""
"""What a run's adapter says, and the model that it is merged into: 24 tokens each, the likeliest."""


def say(line: str = "") -> None:
    """A line of a table."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tiny() -> Any:
    """tests/trainer/tiny.py."""
    spec = importlib.util.spec_from_file_location("tiny", HERE / "tiny.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Bench:
    """A model, rows, and the releases."""

    def __init__(self, work: Path, sites: dict[str, str]) -> None:
        self.work, self.sites, self.wrong = work, sites, 0
        self.model = tiny().write_model(work / "tiny")
        self.rows = tiny().write_rows(work / "rows.jsonl", 31)

    def config(self, name: str, **keys: Any) -> Path:
        """A configuration; its run goes to the folder of its name."""
        said = {
            "model": str(self.model), "data": {"path": str(self.rows), "holdout": 0.2}, "method": "lora",
            "device": "cpu", "lora": {"r": 8, "alpha": 16}, "epochs": 3, "accumulate": 4, "learning_rate": 2e-3,
            "samples": 0, "output": str(self.work / name), **keys,
        }  # fmt: skip
        file = self.work / f"{name}.yaml"
        file.write_text(yaml.safe_dump(said), "utf-8")
        return file

    def python(self, release: str) -> str:
        """The interpreter for a release."""
        return self.sites[release] if Path(self.sites[release]).is_file() else sys.executable

    def environment(self, release: str) -> dict[str, str]:
        """Its variables."""
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return variables if Path(self.sites[release]).is_file() else {**variables, "PYTHONPATH": self.sites[release]}

    def train(self, release: str, file: Path, *words: str) -> Path:
        """Run it to its end."""
        command = [self.python(release), "-m", "doctor.trainer", str(file), *words]
        done = subprocess.run(command, env=self.environment(release), cwd=self.work, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{release}: {file.name} failed:\n{done.stderr[-2000:]}")
        return self.work / file.stem

    def merged(self, release: str, run: Path) -> list[list[int]]:
        """The tokens of a run's adapter, and of what `doctor export` makes of it."""
        for words in (["-m", "doctor", "export", str(run)], ["-c", SPEAK, str(run)]):
            command = [self.python(release), *words]
            done = subprocess.run(command, env=self.environment(release), cwd=self.work, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{release}: {words[1][:9]} failed:\n{done.stderr[-2000:]}")
        tokens: list[list[int]] = json.loads(done.stdout)
        return tokens

    def expect(self, met: bool) -> str:
        """`yes`, or `NO`, which fails the whole."""
        self.wrong += not met
        return "yes" if met else "NO"


def lines(run: Path) -> list[dict[str, float]]:
    """metrics.jsonl without what hangs on the clock."""
    read = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in read]


def curve(run: Path) -> list[float]:
    """Every loss, of training and held out."""
    return [line.get("loss", line.get("eval_loss", 0.0)) for line in lines(run)]


def apart(one: Path, other: Path) -> float:
    """The largest difference between two adapters."""
    first, second = (load_file(str(run / "adapter/adapter_model.safetensors")) for run in (one, other))
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def releases(bench: Bench) -> None:
    """One run on every release."""
    heads = ("release", "updates", "first loss", "last loss", "held out", "losses apart", "adapters apart", "labels")
    say(f"| {' | '.join(heads)} | merged tokens | holds |")
    say("| --- |" + " --- |" * (len(heads) + 1))
    base: Path | None = None
    said: list[int] = []
    for name in bench.sites:
        run = bench.train(name, bench.config(f"on-{name}"))
        base = base or run
        losses, digests = curve(run), [json.loads((one / "data.json").read_text())["digest"] for one in (run, base)]
        trained = [line["loss"] for line in lines(run) if "loss" in line]
        far, weights = max(abs(a - b) for a, b in zip(losses, curve(base), strict=True)), apart(run, base)
        tokens = bench.merged(name, run)
        said = said or tokens[0]
        equal = {"labels": digests[0] == digests[1], "tokens": all(one == said for one in tokens)}
        held = bench.expect(far < LOSSES and weights < ADAPTERS and all(equal.values()))
        told = (f"{trained[0]:.6f}", f"{trained[-1]:.6f}", f"{losses[-1]:.6f}", f"{far:.1e}", f"{weights:.1e}")
        alike = ("equal" if same else "other" for same in equal.values())
        say(f"| {' | '.join([name, str(len(trained)), *told, *alike, held])} |")
    say()


def kills(bench: Bench, tries: int) -> None:
    """kill -9 at a random update, then --resume, on one release after the other."""
    keys = {"lora": {"r": 8, "dropout": 0.1}, "neftune": 5, "save_every": 3, "epochs": 4}
    say("| release | killed at | of | adapter bit-equal | metrics equal |")
    say("| --- | --- | --- | --- | --- |")
    draw, whole = random.Random(0), dict[str, Path]()
    for number in range(tries):
        name = list(bench.sites)[number % len(bench.sites)]
        if name not in whole:
            whole[name] = bench.train(name, bench.config(f"whole-{name}", **keys))
        planned = json.loads((whole[name] / "result.json").read_text())["planned"]
        update = draw.randrange(1, planned)
        file = bench.config(f"killed-{number}", **keys)
        killed(bench, name, file, update)
        run = bench.train(name, file, "--resume")
        equal = bench.expect(apart(run, whole[name]) == 0), bench.expect(lines(run) == lines(whole[name]))
        say(f"| {name} | {update} | {planned} | {equal[0]} | {equal[1]} |")
    say()


def killed(bench: Bench, release: str, file: Path, update: int) -> None:
    """Start a run and kill it once it has logged that update."""
    command = [bench.python(release), "-m", "doctor.trainer", str(file)]
    process = subprocess.Popen(command, env=bench.environment(release), cwd=bench.work, stderr=subprocess.DEVNULL)
    metrics = bench.work / file.stem / "metrics.jsonl"
    while process.poll() is None:
        if metrics.exists() and f'"step": {update},' in metrics.read_text("utf-8"):
            break
        time.sleep(0.001)
    process.kill()
    process.wait()


def processes(bench: Bench) -> None:
    """Two processes, each with half of the batches of an update, beside one with all."""
    name = list(bench.sites)[-1]
    one = bench.train(name, bench.config("one", accumulate=4))
    say("| release | two processes by | updates | losses apart | adapters apart | holds |")
    say("| --- | --- | --- | --- | --- | --- |")
    for launcher, launch in LAUNCHERS.items():
        file = bench.config(f"two-{launcher.split()[0]}", accumulate=2)
        two = launched(bench, name, launch, file)
        far, weights = max(abs(a - b) for a, b in zip(curve(one), curve(two), strict=True)), apart(one, two)
        updates = len([line for line in lines(two) if "loss" in line])
        held = bench.expect(far < LOSSES and weights < BETWEEN)
        say(f"| {name} | {launcher} | {updates} | {far:.1e} | {weights:.1e} | {held} |")
    say()


def launched(bench: Bench, release: str, launch: list[str], file: Path) -> Path:
    """A run of two processes, to its end."""
    command = [bench.python(release), "-m", *launch, "-m", "doctor.trainer", str(file)]
    done = subprocess.run(command, env=bench.environment(release), cwd=bench.work, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{launch[0]}: {file.name} failed:\n{done.stderr[-3000:]}")
    return bench.work / file.stem


def speed(bench: Bench, model: str | None, rows: Path | None) -> None:
    """Tokens a CPU-second beside what users would write: the same rows, each by itself and packed."""
    say("| how | tokens | CPU seconds | tokens a CPU-second | last loss | peak MB |")
    say("| --- | --- | --- | --- | --- | --- |")
    some = bench.work / "some.jsonl"
    some.write_text("".join((rows or bench.rows).read_text("utf-8").splitlines(keepends=True)[:SOME]), "utf-8")
    data = {"path": str(some.resolve()), "holdout": 0}
    keys: dict[str, Any] = {"data": data, "learning_rate": 1e-4, "max_length": 512, "epochs": 1}
    keys |= {"model": str(Path(model).resolve())} if model else {}
    single = bench.config("single", **keys, batch=2, accumulate=2, max_steps=3)
    packed = bench.config("packed", **keys, batch=1, accumulate=1, packing=True)
    first = rated(bench, single, ("doctor", "trainer", "trl"), "")
    second = rated(bench, packed, ("doctor", "trl"), ", packed")
    for what, rates in {"each row by itself": first, "packed": second}.items():
        held = bench.expect(rates["doctor"] >= max(rates.values()))
        say(f"\n{what}, as fast as the others or faster: {held}")
    say()


def rated(bench: Bench, file: Path, rivals: tuple[str, ...], setting: str) -> dict[str, float]:
    """A line each; the tokens a CPU-second."""
    name, rates = list(bench.sites)[-1], dict[str, float]()
    for how in rivals:
        found = measured(bench.python(name), bench.environment(name), how, file, bench.work)
        one = max(found, key=lambda told: told["rate"])
        rates[how] = one["rate"]
        took = f"{one['tokens']} | {one['cpu']:.1f} | {one['rate']:.1f}"
        say(f"| {RIVALS[how]}{setting} | {took} | {one['loss']:.4f} | {one['peak'] / 1e6:.0f} |")
    return rates


def measured(python: str, variables: dict[str, str], how: str, file: Path, work: Path) -> Iterator[dict[str, Any]]:
    """Two measurements; the better one counts, for the machine may be busy."""
    for _ in range(2):
        command = [python, str(HERE / "rivals.py"), how, str(file)]
        done = subprocess.run(command, env=variables, cwd=work, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{how} failed:\n{done.stderr[-2000:]}")
        yield json.loads(done.stdout.strip().splitlines()[-1])


def main() -> int:
    """Print the tables; 1 where a promise does not hold."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--site", action="append", default=[], metavar="NAME=FOLDER")
    options.add_argument("--model", help="the model whose speed is measured; default: the tiny one")
    options.add_argument("--rows", type=Path, help="the rows for it")
    options.add_argument("--tries", type=int, default=10)
    options.add_argument("--only", action="append", choices=("releases", "kills", "processes", "speed"))
    given = options.parse_args()
    sites = dict(entry.split("=", 1) for entry in given.site) or {"installed": ""}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), sites)
        wanted = given.only or ["releases", "kills", "processes", "speed"]
        if "releases" in wanted:
            releases(bench)
        if "kills" in wanted:
            kills(bench, given.tries)
        if "processes" in wanted:
            processes(bench)
        if "speed" in wanted:
            speed(bench, given.model, given.rows)
    return int(bench.wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
