"""The rescue table: Phi-3 files of several origins x spellings of config.json x target releases, by `fix` and by `run`.

    python tests/rescue/table.py --origin 4.41.2=SITE --origin 4.47.1=SITE [--target 5.23.0=SITE] [--way fix]

SITE is a folder made by `pip install --target SITE transformers==V`.  Without --target the release that the
interpreter itself has is the target.  `fix` runs `doctor fix --yes` on copies of the repositories, `run` loads them
untouched under `doctor run`, `none` shows what happens without the doctor.  Exit 1 where anything fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
DOCTOR = (sys.executable, "-P", "-m", "doctor") if sys.version_info >= (3, 11) else (sys.executable, "-m", "doctor")
WAYS = ("fix", "run", "none")
Sites = dict[str, Path | None]


def site(argument: str) -> tuple[str, Path]:
    version, _, folder = argument.partition("=")
    if not (Path(folder) / "transformers").is_dir():
        raise argparse.ArgumentTypeError(f"{argument}: no folder VERSION=SITE that holds transformers")
    return version, Path(folder).resolve()


def environment(home: Path, release: Path | None) -> dict[str, str]:
    """What the children get: a home of their own, no network, one release of transformers first on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    return {
        **kept,
        **({"PYTHONPATH": str(release)} if release else {}),
        "HF_HOME": str(home / "hf"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "DOCTOR_CACHE_DIR": str(home / "doctor"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore",
    }


def build(origins: Sites, cases: Path, python: str) -> list[Path]:
    """The folder of every case, ORIGIN/SPELLING; what is not there yet is built."""
    built = []
    for version, release in sorted(origins.items()):
        folder = cases / version
        if not folder.exists():
            cases.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as home:
                command = [python, str(HERE / "corpus.py"), str(folder)]
                subprocess.run(command, env=environment(Path(home), release), check=True, stdout=sys.stderr)
        built += sorted(path for path in folder.iterdir() if path.is_dir())
    return built


def tried(cases: Sequence[Path], way: str, version: str, release: Path | None, python: str) -> dict[Path, str | None]:
    """What failed (None: nothing) for each case on one release, mended one way."""
    with tempfile.TemporaryDirectory() as scratch:
        home, trial = Path(scratch) / "home", [python, str(HERE / "trial.py")]
        folders = {case: Path(scratch) / case.parent.name / case.name for case in cases}
        for case, folder in folders.items():
            shutil.copytree(case, folder)
        if way == "fix":
            mend([str(model) for folder in folders.values() for model in folder.glob("phi3_*")], version, home)
        if way == "run":
            trial = [*DOCTOR, "run", "--", *trial]
        done = subprocess.run(
            [*trial, *map(str, folders.values())], env=environment(home, release), capture_output=True, text=True
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"folder"')]
        answers = {line["folder"]: line["failed"] for line in lines}
        found = {case: answers.get(str(folder), "no answer") for case, folder in folders.items()}
    passed = list(found.values()).count(None)
    sys.stderr.write(f"transformers {version}, {way}: {passed} of {len(found)} pass\n")
    if passed < len(found):
        sys.stderr.write(f"--- transformers {version}, {way}\n{done.stderr[-4000:]}\n")
    return found


def mend(models: Sequence[str], version: str, home: Path) -> None:
    """`doctor fix --yes` on all repositories at once; what it leaves behind shows in the trial."""
    command = [*DOCTOR, "fix", "--yes", "--against", f"transformers=={version}", *models]
    done = subprocess.run(command, env=environment(home, None), capture_output=True, text=True)
    if done.returncode > 1:  # 1: findings remain that no patch mends, of this interpreter for example
        sys.stderr.write(f"--- doctor fix, exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}\n")


def rows(found: dict[tuple[str, str], dict[Path, str | None]]) -> Iterator[str]:
    """The table in Markdown, then the totals of each way."""
    columns = list(found)
    cases = list(next(iter(found.values())))
    yield "| origin | spelling | " + " | ".join(f"{version} {way}" for version, way in columns) + " |"
    yield "| --- | --- |" + " --- |" * len(columns)
    for case in cases:
        cells = (found[column][case] or "PASS" for column in columns)
        yield f"| {case.parent.name} | {case.name} | " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
    for way in dict.fromkeys(way for _, way in columns):
        results = [failed for (_, w), table in found.items() if w == way for failed in table.values()]
        yield f"\n{way}: {results.count(None)} of {len(results)} pass"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, mend, try, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--origin", action="append", type=site, required=True, metavar="V=SITE")
    parser.add_argument("--target", action="append", type=site, default=[], metavar="V=SITE")
    parser.add_argument("--way", action="append", choices=WAYS, help="default: fix and run")
    parser.add_argument("--cases", type=Path, help="where repositories are built, and found again (default: scratch)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter with torch (default: this one)")
    options = parser.parse_args(arguments)
    targets: Sites = dict(options.target) or {_installed(): None}
    with tempfile.TemporaryDirectory() as scratch:
        cases = build(dict(options.origin), (options.cases or Path(scratch)).resolve(), options.python)
        found = {
            (version, way): tried(cases, way, version, release, options.python)
            for version, release in targets.items()
            for way in options.way or WAYS[:2]
        }
    sys.stdout.write("\n".join(rows(found)) + "\n")
    return int(any(failed for table in found.values() for failed in table.values()))


def _installed() -> str:
    from importlib.metadata import version

    return version("transformers")


if __name__ == "__main__":
    sys.exit(main())
