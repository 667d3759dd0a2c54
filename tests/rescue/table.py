"""The rescue table: the decoder-only models of several origins as remote code on several releases, mended both ways.

    python tests/rescue/table.py --origin 4.41.2=SITE --origin 4.47.1=SITE [--target 5.23.0=SITE] [--way fix] [--subset]

SITE is a folder made by `pip install --target SITE transformers==V`.  Without --target the release that the
interpreter itself has is the target.  `fix` runs `doctor fix --yes` on copies of the repositories, `run` loads them
untouched under `doctor run`, `none` shows what happens without the doctor.  --dead shows for every patch a case that
fails without it.  A file is not promised to run on releases older than its own: such rows are printed and do not count.
Exit 1 where anything else fails whose cause is not among KNOWN.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from architectures import SUBSET

HERE = Path(__file__).parent
DOCTOR = (sys.executable, "-P", "-m", "doctor") if sys.version_info >= (3, 11) else (sys.executable, "-m", "doctor")
WAYS = ("fix", "run", "none")
KNOWN = (
    (
        r"4\.(48|49|50|51)\.\d/phi3_ropeparams_\w+ 4\.57\.6 answers: Wrong",
        "its config.json has rope_parameters alone, which no 4.x reads: saved-by-newer-transformers stays an error",
    ),
)
"""Cases, each with its target and what fails, that cannot give their origin's numbers, and why."""
Sites = dict[str, Path | None]
Column = tuple[str, str]
"""A target release and a way."""
Results = dict[Path, str | None]
"""What failed of each case, None where nothing did."""
Item = TypeVar("Item")
Result = TypeVar("Result")


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


def build(origins: Sites, cases: Path, python: str, wanted: Sequence[str]) -> list[Path]:
    """The folder of every case, ORIGIN/NAME, that is wanted (none: all); what is not there yet is built."""

    def one_origin(version: str) -> list[Path]:
        names = sorted({one.rpartition("/")[2] for one in wanted if one.rpartition("/")[0] in ("", version)})
        folder = cases / version
        if wanted and not names:
            return []
        with tempfile.TemporaryDirectory() as home:
            command = [python, str(HERE / "corpus.py"), str(folder), *names]
            subprocess.run(command, env=environment(Path(home), origins[version]), check=True, stdout=sys.stderr)
        return sorted(path for path in folder.iterdir() if path.is_dir() and (not names or path.name in names))

    return [case for built in at_once(one_origin, sorted(origins)) for case in built]


def at_once(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results in order, one process for each of the machine's cores: every child keeps to one."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def tried(cases: Sequence[Path], way: str, version: str, release: Path | None, python: str) -> Results:
    """What failed for each case on one release, mended one way."""
    with tempfile.TemporaryDirectory() as scratch:
        home, trial = Path(scratch) / "home", ((*DOCTOR, "run", "--") if way == "run" else ())
        folders = {case: Path(scratch) / case.parent.name / case.name for case in cases}
        for case, folder in folders.items():
            shutil.copytree(case, folder)
        if way == "fix":
            mend([str(model) for folder in folders.values() for model in folder.glob("repo_*")], version, home)
        found = put_to_work(folders, trial, home, release, python)
    passed = list(found.values()).count(None)
    lines = [f"transformers {version}, {way}: {passed} of {len(found)} pass"]
    lines += [f"  {case.parent.name} {case.name}: {failed}" for case, failed in found.items() if failed]
    sys.stderr.write("\n".join(lines) + "\n")
    return found


def put_to_work(
    folders: dict[Path, Path], before: Sequence[str], home: Path, release: Path | None, python: str
) -> Results:
    """Run the trial on copies of cases; what is not answered because the process died is asked once more, alone."""
    command = [*before, python, str(HERE / "trial.py"), *map(str, folders.values())]
    done = subprocess.run(command, env=environment(home, release), capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"folder"')]
    answers = {line["folder"]: line["failed"] for line in lines}
    if len(answers) < len(folders):
        sys.stderr.write(done.stderr[-2000:] + "\n")
    return {case: answers.get(str(folder), "no answer") for case, folder in folders.items()}


def mend(models: Sequence[str], version: str, home: Path) -> None:
    """`doctor fix --yes` on all repositories at once; what it leaves behind shows in the trial."""
    command = [*DOCTOR, "fix", "--yes", "--against", f"transformers=={version}", *models]
    done = subprocess.run(command, env=environment(home, None), capture_output=True, text=True)
    if done.returncode > 1:  # 1: findings remain that no patch mends, of this interpreter for example
        sys.stderr.write(f"--- doctor fix, exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}\n")


def promised(case: Path, version: str) -> bool:
    """Whether the release is not older than the file's own."""
    return _numbers(case.parent.name) <= _numbers(version)


def known(case: Path, version: str, failed: str) -> str:
    """Why a case does not give its origin's numbers on a release; empty where it should."""
    told = f"{case.parent.name}/{case.name} {version} {failed}"
    return next((why for pattern, why in KNOWN if re.match(pattern, told)), "")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def rows(found: dict[Column, Results]) -> Iterator[str]:
    """The table in Markdown, one row an origin; then every case that failed; then the totals of each way."""
    columns = list(found)
    cases = list(next(iter(found.values())))
    yield "| origin | cases | " + " | ".join(f"{version} {way}" for version, way in columns) + " |"
    yield "| --- | --- |" + " --- |" * len(columns)
    for origin in dict.fromkeys(case.parent.name for case in cases):
        mine = [case for case in cases if case.parent.name == origin]
        cells = (str([found[column][case] for case in mine].count(None)) for column in columns)
        yield f"| {origin} | {len(mine)} | " + " | ".join(cells) + " |"
    for (version, way), table in found.items():
        for case, failed in table.items():
            if failed:
                why = known(case, version, failed) if promised(case, version) else "a file newer than the release"
                note = f" ({why})" if why else ""
                yield f"\n{case.parent.name} {case.name} on {version}, {way}{note}: {failed}"
    for way in dict.fromkeys(way for _, way in columns):
        results = [
            failed
            for (version, w), table in found.items()
            if w == way
            for case, failed in table.items()
            if promised(case, version)
        ]
        told = [
            known(case, version, failed)
            for (version, w), table in found.items()
            if w == way
            for case, failed in table.items()
            if failed and promised(case, version)
        ]
        rest = f"; {len(told) - told.count('')} fail as is explained" if any(told) else ""
        yield f"\n{way}: {results.count(None)} of {len(results)} pass{rest}"


def without_one(cases: Sequence[Path], targets: Sites, python: str) -> Iterator[tuple[str, str]]:
    """For every patch a case that fails without it, empty where none was found among four cases a release."""
    from doctor.patch import catalogue

    changed = {case: _changing(case) for case in cases}
    waiting = [patch.id() for patch in catalogue()]
    for version, release in targets.items():
        trials = [(one, case) for one in waiting for case in [c for c in cases if one in changed[c]][:4]]
        with tempfile.TemporaryDirectory() as scratch:
            folders: dict[Path, Path] = {}
            for number, (one, case) in enumerate(trials):
                folders[Path(one) / case.parent.name / case.name] = folder = Path(scratch) / str(number) / case.name
                shutil.copytree(case, folder)
                for file in folder.glob("repo_*/*.py"):
                    file.write_text(_rewritten(file.read_text("utf-8"), one), "utf-8")
            failed = put_to_work(folders, (), Path(scratch) / "home", release, python)
        for key, what in failed.items():
            if what and key.parts[0] in waiting:
                waiting.remove(key.parts[0])
                yield key.parts[0], f"{key.parts[1]} {key.parts[2]} on {version}: {what}"
    yield from ((one, "") for one in waiting)


def _changing(case: Path) -> set[str]:
    """The patches that rewrite a case's files."""
    from doctor.patch import rewrite

    return {one for file in case.glob("repo_*/*.py") for one in rewrite(file.read_text("utf-8")).patches}


def _rewritten(text: str, without: str) -> str:
    """A file after every patch but one; where the others then give up, the file as it was."""
    from doctor.patch import Refusal, catalogue, rewrite

    try:
        return rewrite(text, [patch for patch in catalogue() if patch.id() != without]).text
    except Refusal:
        return text


def dead(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield "\n| patch | fails without it |\n| --- | --- |"
    for name, what in sorted(found):
        # The same is asked of every patch, and every release, by tests/live/test_proofs.py.
        yield f"| {name} | {what.replace('|', '/') or 'no case of this corpus has its construct: see its proof'} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, mend, try, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--origin", action="append", type=site, required=True, metavar="V=SITE")
    parser.add_argument("--target", action="append", type=site, default=[], metavar="V=SITE")
    parser.add_argument("--way", action="append", choices=WAYS, help="default: fix and run")
    parser.add_argument("--only", action="append", default=[], metavar="[ORIGIN/]CASE", help="these cases")
    parser.add_argument("--subset", action="store_true", help="the few cases that every run of the tests tries")
    parser.add_argument("--dead", action="store_true", help="try, in place of the table, every patch's absence")
    parser.add_argument("--cases", type=Path, help="where repositories are built, and found again (default: scratch)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter with torch (default: this one)")
    options = parser.parse_args(arguments)
    targets: Sites = dict(options.target) or {_installed(): None}
    with tempfile.TemporaryDirectory() as scratch:
        wanted = [*options.only, *(SUBSET if options.subset else ())]
        cases = build(dict(options.origin), (options.cases or Path(scratch)).resolve(), options.python, wanted)
        if options.dead:
            sys.stdout.write("\n".join(dead(without_one(cases, targets, options.python))) + "\n")
            return 0
        columns = [(version, way) for version in targets for way in options.way or WAYS[:2]]
        tables = at_once(lambda at: tried(cases, at[1], at[0], targets[at[0]], options.python), columns)
        found = dict(zip(columns, tables, strict=True))
    sys.stdout.write("\n".join(rows(found)) + "\n")
    return int(
        any(
            failed and promised(case, version) and not known(case, version, failed)
            for (version, _), table in found.items()
            for case, failed in table.items()
        )
    )


def _installed() -> str:
    from importlib.metadata import version

    return version("transformers")


if __name__ == "__main__":
    sys.exit(main())
