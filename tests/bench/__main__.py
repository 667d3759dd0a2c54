"""`nox -s bench`: the bounds of speed and memory, measured on whole processes, in one table.

Run by the interpreter of an environment that holds the whole training stack and the doctor.  Exits 1 where a bound
is crossed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measure import Command, Cost, medians, run
from rich.console import Console
from rich.table import Table

SITE = Path(sysconfig.get_path("purelib"))
DOCTOR = (sys.executable, "-m", "doctor")
BARE = "import importlib.metadata as m\nfor d in m.distributions(): print(d.metadata['Name'], d.version)"
"""What an interpreter alone needs to say what is installed."""
PARSE = "import ast, gc, pathlib, sys\ngc.disable()\nfor p in pathlib.Path(sys.argv[1]).rglob('*.py'): {}"
"""What an interpreter alone needs to read the files of a folder."""
TREES, LOSSLESS = "ast.parse(p.read_bytes())", "__import__('libcst').parse_module(p.read_bytes())"
HEAVY = ("torch", "transformers", "libcst", "pydantic", "huggingface_hub")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Row:
    """One line of the table; `bound` is None where the figure is for information."""

    what: str
    value: float
    bound: float | None
    unit: str
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.bound is None or (self.value >= self.bound if self.at_least else self.value <= self.bound)


class Lab:
    """A scratch folder with an empty home; `doctor` makes a command that sees only what the test put there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.home.mkdir()

    def command(self, *words: str, modules: Path | None = None, codes: tuple[int, ...] = (0, 1)) -> Command:
        place = Path(tempfile.mkdtemp(dir=self.root))
        variables = {"HOME": str(self.home), "HF_HOME": str(self.home / "hf"), "HF_HUB_OFFLINE": "1"}
        if modules is not None:
            variables["HF_MODULES_CACHE"] = str(modules)
        return Command(words, place, variables, codes)

    def check(self, modules: Path | None = None) -> Command:
        return self.command(*DOCTOR, "check", modules=modules)

    def cache(self, name: str, files: list[Path]) -> Path:
        """A modules cache with one repository a file, as transformers lays them out."""
        cache = self.root / name
        for number, file in enumerate(files):
            folder = cache / "transformers_modules" / "org" / f"model{number}" / f"{number:040x}"
            folder.mkdir(parents=True)
            shutil.copyfile(file, folder / f"modeling_{file.stem}.py")
        return cache


def environment(lab: Lab, times: int) -> list[Row]:
    """`doctor check` of the environment beside a bare interpreter and `transformers env`."""
    bare = lab.command(sys.executable, "-c", BARE)
    incumbent = lab.command(str(Path(sys.executable).with_name("transformers")), "env")
    ours, theirs, env = medians([lab.check(), bare, incumbent], times)
    return [
        Row("check of the environment, CPU", ours.cpu, None, "s"),
        Row("name and version of every distribution by importlib.metadata, CPU", theirs.cpu, None, "s"),
        Row("transformers env, CPU", env.cpu, None, "s"),
        Row("check / bare listing", ours.cpu / theirs.cpu, 1.5, "x"),
        Row("transformers env / check", env.cpu / ours.cpu, 16, "x", at_least=True),
        Row("heavy modules in memory after a check", heavy_modules(lab), 0, ""),
        memory("the environment", ours),
    ]


def heavy_modules(lab: Lab) -> int:
    """How many of HEAVY a whole check imports."""
    program = (
        "import sys, doctor.cli; doctor.cli.main(['check']); "
        f"sys.stderr.write(str(len({set(HEAVY)} & set(sys.modules))))"
    )
    command = lab.command(sys.executable, "-c", program)
    ran = subprocess.run(
        command.words, env={**os.environ, **command.variables}, capture_output=True, text=True, check=True
    )
    return int(ran.stderr.split()[-1])


def caches(lab: Lab, older: Path, times: int) -> list[Row]:
    """Caches of clean files and of real modeling files, and how fast old ones are checked and mended."""
    clean = lab.cache("clean", sorted(f for name in ("sympy", "networkx") for f in (SITE / name).rglob("*.py"))[:2000])
    real = lab.cache("real", modeling(SITE / "transformers")[:250] + modeling(older)[:250])
    old = modeling(older)[:250]
    broken = lab.cache("old", old)
    bare = lab.command(sys.executable, "-c", PARSE.format(TREES), str(broken))
    quick, full, worst, parsed = medians([lab.check(clean), lab.check(real), lab.check(broken), bare], times)
    return [
        Row("check of 2,000 clean files, CPU", quick.cpu, 1, "s"),
        Row("check of 500 real modeling files, CPU", full.cpu, 6, "s"),
        Row(f"check of {len(old)} files that need mending, files a CPU-second", len(old) / worst.cpu, 80, "/s", True),
        Row("check of these files / ast.parse of them alone", worst.cpu / parsed.cpu, 4, "x"),
        memory("2,000 clean files", quick),
        memory("500 real modeling files", full),
        *mending(lab, modeling(older)[:: len(modeling(older)) // 40]),
    ]


def mending(lab: Lab, files: list[Path]) -> list[Row]:
    """Files that `doctor fix` reads, judges, rewrites and writes in a second of CPU, start included."""
    cache = lab.cache("mended", files)
    before = {file: file.read_bytes() for file in cache.rglob("*.py")}
    bare = run(lab.command(sys.executable, "-c", PARSE.format(LOSSLESS), str(cache)))
    cost = run(lab.command(*DOCTOR, "fix", "--yes", modules=cache))
    rewritten = sum(file.read_bytes() != data for file, data in before.items())
    what = f"fix of {len(files)} real modeling files, {rewritten} of them rewritten, files a CPU-second"
    return [
        Row(what, len(files) / cost.cpu, 6, "/s", at_least=True),
        Row("fix of these files / libcst.parse_module of them alone", cost.cpu / bare.cpu, 3.2, "x"),
    ]


def scripts(lab: Lab, times: int) -> list[Row]:
    """The source tree of transformers taken for somebody's scripts, and a repository of two hundred."""
    tree, cores = SITE / "transformers", len(os.sched_getaffinity(0))
    count = sum(1 for _ in tree.rglob("*.py"))
    own = lab.root / "scripts"
    own.mkdir()
    found = (file for name in ("accelerate", "datasets", "peft") for file in sorted((SITE / name).rglob("*.py")))
    for number, file in zip(range(200), found, strict=False):
        shutil.copyfile(file, own / f"{number}_{file.name}")
    judged = lab.command(*DOCTOR, "check", "--statistics", str(tree))
    whole, small = run(judged), medians([lab.command(*DOCTOR, "check", str(own))], times)[0]
    return [
        Row(f"check of {count:,} scripts, files a CPU-second", count / whole.cpu, 150, "/s", at_least=True),
        Row("cores that are busy meanwhile", whole.cpu / whole.wall, 0.7 * min(cores, 2), "", at_least=True),
        Row(f"peak memory of a process, {count:,} scripts", whole.memory / MIB, 150, "MiB"),
        Row("check of 200 scripts, on the clock", small.wall, 1, "s"),
    ]


def data(lab: Lab, model: Path, conversations: int) -> list[Row]:
    """A check of generated conversations beside `encode_batch` alone, in CPU of interleaved turns, and its memory."""
    file = lab.root / "data.jsonl"
    script = str(Path(__file__).with_name("data.py"))
    subprocess.run([sys.executable, script, "write", str(file), str(conversations)], check=True)
    compared = subprocess.run(
        [sys.executable, script, "compare", str(file), str(model)], capture_output=True, text=True, check=True
    )
    cost = run(lab.command(*DOCTOR, "check", "--data", str(file), "--model", str(model)))
    return [
        Row(
            "data: rate of a check / of encode_batch alone, CPU",
            float(compared.stdout),
            0.8,
            "x",
            True,
        ),
        Row(f"data: check of {conversations:,} conversations, CPU", cost.cpu, None, "s"),
        Row(f"peak memory, {conversations:,} conversations", cost.memory / MIB, 500, "MiB"),
    ]


def memory(what: str, cost: Cost) -> Row:
    """The peak memory of a check."""
    return Row(f"peak memory, {what}", cost.memory / MIB, 100, "MiB")


def modeling(site: Path, only: str = "") -> list[Path]:
    """The PyTorch modeling files of a transformers release."""
    found = sorted((site / "models").glob(f"{only or '*'}/modeling_*.py"))
    return [file for file in found if not file.name.startswith(("modeling_tf_", "modeling_flax_"))]


def table(rows: list[Row]) -> Table:
    """The figures as a table."""
    drawn = Table("what", "measured", "bound", "", box=None, pad_edge=False)
    for row in rows:
        sign = ">=" if row.at_least else "<="
        bound = "" if row.bound is None else f"{sign} {row.bound:g} {row.unit}"
        mark = "" if row.bound is None else "holds" if row.holds else "CROSSED"
        drawn.add_row(row.what, f"{row.value:.3g} {row.unit}", bound, mark)
    return drawn


def main() -> int:
    """Measure everything, print the table, exit 1 where a bound is crossed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--older", type=Path, required=True, help="folder of an older transformers package")
    parser.add_argument("--model", type=Path, required=True, help="folder of a model whose tokenizer reads the data")
    parser.add_argument("--conversations", type=int, default=100_000, help="rows of the data set (default: 100,000)")
    parser.add_argument("--times", type=int, default=7, help="runs of each command (default: 7)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="doctor-bench-") as scratch:
        lab = Lab(Path(scratch))
        rows = [
            *environment(lab, options.times),
            *caches(lab, options.older, max(3, options.times // 2)),
            *scripts(lab, max(3, options.times // 2)),
            *data(lab, options.model, options.conversations),
        ]
    Console(width=120, highlight=False).print(table(rows))
    return int(not all(row.holds for row in rows))


if __name__ == "__main__":
    sys.exit(main())
