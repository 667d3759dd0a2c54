"""Writes what follows from the code: the pages of checks, patches and breakages, README's tables, patches/index.json.

`python docs/generate.py` writes the files that are stale; with `--check` it names them and exits 1.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import doctor.breakages
import doctor.checks
import doctor.diagnose
import doctor.evaluate.scorers
import doctor.index
from doctor.model import Check, Facts, Finding
from doctor.patch import Example, Patch, catalogue

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "remote-code": "remote code",
    "script": "scripts",
    "notebook": "notebooks",
    "text": "shell scripts and settings",
}
SEEN = {"data": "data sets", "chat": "data sets and models", "model": "model folders"}
"""What checks of a family look at; all others look at the environment."""
EXAMPLES = 3
"""How many before-and-after pairs a patch's section shows."""

PURPOSE = {
    ".ci": "What continuous integration calls: the test command above, nothing else",
    "CHANGELOG.md": "What changed, for those who use it",
    "CONTRIBUTING.md": "How to add a check, a patch or a breakage, and the tests one gets for it",
    "LICENSE": "MIT",
    "docs/breakages.md": "Every breakage (generated)",
    "docs/checks.md": "Every check (generated)",
    "docs/patches.md": "Every patch, before and after (generated)",
    "docs/training.md": "Every key of a run, what its folder holds, and what was measured",
    "docs/memory.md": "What a model takes, and how that is worked out",
    "docs/matrix.md": "The releases, and what was tested on each",
    "doctor/patches": "Link to patches/, for editors and type checkers",
    "doctor/members.json": "What classes had, functions took and overrides were handed, by release (generated)",
    "doctor/names.json": "The names that modules of transformers lost or gained, by release (generated)",
    "doctor/releases.json": "What each transformers release needs and calls itself (generated)",
    "doctor/signatures.json": "Which arguments and names each release of the training libraries takes (generated)",
    "doctor/trainer": "Link to trainer/",
    "doctor/evaluate": "Link to evaluate/",
    "doctor/examples": "Link to examples/, which the demo takes",
    "docs/evaluation.md": "Every key of an evaluation, of its samples and its answers, and what the figures mean",
    "docs/scorers.md": "What `doctor evaluate` scores, and how (generated)",
    "examples": "What to start from: a persona to train, what it is asked, and recorded answers",
    "examples/answers.jsonl": "Recorded answers, with a fault of every kind",
    "examples/evaluate.yaml": "The configuration of an evaluation",
    "examples/persona_evaluate.yaml": "What the trained persona is asked, and by whom",
    "examples/persona_questions.yaml": "Questions to the persona in words that are not in its data",
    "examples/phi-3-mini.yaml": "Phi-3-mini on a card of 4 GB",
    "examples/tinyllama.yaml": "TinyLlama on a card of 4 GB",
    "examples/train.yaml": "A small model on the CPU, in minutes",
    "examples/persona.jsonl": "775 conversations of an invented person: each fact asked in many ways",
    "examples/questions.yaml": "What a persona is asked, and what its answers must and must not say",
    "docs": "The manual",
    "docs/assets": "README's capture (docs/capture.py records it)",
    "doctor": "The command",
    "stacks": "Pinned constraints, one file for each release of the matrix",
    "pyproject.toml": "Dependencies, the wheel, and the settings of mypy, pytest and ruff",
    "action.yml": "A GitHub action: annotates a pull request, and uploads SARIF where asked",
    ".pre-commit-hooks.yaml": "The hook for pre-commit: checks the files of a commit",
    "README.md": "This page; its tables, its tree and its capture are generated",
    "tests": "Mirrors the folders above",
    "tools": "What maintainers run",
}
CLOSED = (
    "doctor/checks",
    "doctor/breakages",
    "patches",
    "stacks",
    "trainer",
    "evaluate",
    "tests",
    ".ci",
    "docs/assets",
)
"""Folders that README's tree shows as one line: their own page, or their folder, lists what is in them."""


def checks() -> list[Check]:
    """The checks that are files of Python."""
    combinations = {path.stem for path in (ROOT / "doctor" / "breakages").glob("*.toml")}
    return [check for check in doctor.diagnose.checks() if check.id not in combinations]


def breakages() -> list[Check]:
    """The breakages as their files say, which index.json may not say yet."""
    return [breakage.check() for breakage in doctor.breakages.read()]


def catalogued() -> list[doctor.index.Entry]:
    """The catalogue as its classes say, which index.json may not say yet."""
    return [doctor.index.Entry(**row) for row in json.loads(doctor.index.build())]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def prose(doc: str) -> str:
    """A docstring below its title, as Markdown: its labels in bold, its links clickable."""
    body = doc.strip().partition("\n")[2].strip()
    body = re.sub(r"^([A-Z][a-z ]+):(?=\s)", r"**\1:**", body, flags=re.MULTILINE)
    return re.sub(r"(?<![<(])(https?://[^\s)>]*[^\s)>.,;])", r"<\1>", body)


def page(title: str, intro: str, sections: Iterable[str]) -> str:
    """One generated page."""
    return "\n\n".join([f"# {title}", intro, *sections]) + "\n"


def check_section(check: Check) -> str:
    """What a check asks, of what, and a case where it answers."""
    kinds = [KINDS[kind] for kind in check.kinds] if check.read else []
    of = " and ".join([*([SEEN.get(check.family, "the environment")] if check.run else []), *kinds])
    parts = [
        f"## {check.id}",
        f"**{check.title}.** {check.severity.value.capitalize()}, {check.family}, read from {of}.",
    ]
    return "\n\n".join([*parts, prose(check.doc), *example_answer(check)])


def example_answer(check: Check) -> Iterator[str]:
    """The message and remedy of the first failing example, so that the page shows what the terminal will."""
    for facts in check.fails[:1]:
        for finding in answers(check, facts)[:1]:
            yield f"> {finding.message}\n>\n> Remedy: {finding.remedy.text}" + (
                f"\n>\n> `{finding.remedy.value}`" if finding.remedy.value and "\n" not in finding.remedy.value else ""
            )


def answers(check: Check, facts: Facts) -> tuple[Finding, ...]:
    """A check's findings on one of its examples."""
    return doctor.diagnose.diagnose(facts, among=[check]).findings


def patch_section(patch: type[Patch]) -> str:
    """What a patch rewrites, on which releases, and its first examples."""
    entry = next(entry for entry in catalogued() if entry.id == patch.id())
    facts = table(
        ["old spelling works on", "rewritten file works on", "safe"],
        [[f"`{entry.old}`", f"`{entry.new}`", "yes" if entry.safe else "no"]],
    )
    shown = [example for example in patch.examples if example.after is not None][:EXAMPLES]
    kept = [f"Left alone: {e.keeps}." for e in patch.examples if e.after is None and e.keeps][:1]
    return "\n\n".join(
        [f"## {entry.id}", f"**{entry.title}.**", facts.strip(), prose(entry.doc), *map(diff, shown), *kept]
    )


def diff(example: Example) -> str:
    """Before and after as one diff block."""
    before, after = (example.before.strip("\n").splitlines(), (example.after or "").strip("\n").splitlines())
    lines = list(difflib.unified_diff(before, after, lineterm="", n=len(before)))[3:]
    return "\n".join(["```diff", *lines, "```"])


def scorer_section(name: str) -> str:
    """What a scorer looks for and how it scores, in its module's words."""
    doc = importlib.import_module(f"doctor.evaluate.scorers.{name}").__doc__ or ""
    return f"## {name}\n\n**{doc.partition(chr(10))[0].rstrip('.')}.**\n\n{prose(doc)}"


def checks_table() -> str:
    """README's table of what is found."""
    pages = [("checks", check) for check in checks()] + [("breakages", check) for check in breakages()]
    rows = [[f"[{check.id}](docs/{page}.md#{check.id})", check.severity.value, check.title] for page, check in pages]
    return table(["id", "severity", "finds"], rows)


def patches_table() -> str:
    """README's table of what is rewritten."""
    return table(["patch", "rewrites"], [[f"[{e.id}](docs/patches.md#{e.id})", e.title] for e in catalogued()])


def tree() -> str:
    """The files that git tracks, each with the first line of what it says of itself."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    shown = sorted({entry for path in listed.stdout.splitlines() for entry in entries(Path(path))}, key=order)
    rows = [
        ("    " * (len(path.parts) - 1) + path.name + "/" * (ROOT / path).is_dir(), purpose(path)) for path in shown
    ]
    width = max(len(name) for name, _ in rows) + 2
    return "```text\n" + "\n".join(f"{name:{width}}{text}".rstrip() for name, text in rows) + "\n```\n"


def entries(path: Path) -> Iterator[Path]:
    """The lines of the tree that a tracked file calls for: its folders and, in an open folder, itself."""
    for ancestor in [*reversed(path.parents[:-1]), path]:
        if ancestor.name not in ("__init__.py", "py.typed", ".gitignore"):
            yield ancestor
        if str(ancestor) in CLOSED:
            return


def order(path: Path) -> tuple[tuple[bool, str], ...]:
    """Folders after the files beside them, each in the order of its name."""
    return tuple(((ROOT / Path(*path.parts[: n + 1])).is_dir(), part) for n, part in enumerate(path.parts))


def purpose(path: Path) -> str:
    """What a file is for, in its own words where it has some."""
    if str(path) in PURPOSE:
        return PURPOSE[str(path)]
    file = ROOT / path / "__init__.py" if (ROOT / path).is_dir() else ROOT / path
    text = file.read_text("utf-8") if file.suffix == ".py" and file.exists() else ""
    match = re.match(r'(?:"""|#!?.*\n""")(.+?)(?:\n|""")', text)
    return match[1].rstrip(".") if match else ""


def capture() -> str:
    """What the commands print, as docs/capture.py recorded it."""
    printed = (ROOT / "docs" / "assets" / "capture.txt").read_text("utf-8").strip()
    return f"```text\n{printed}\n```\n"


def readme() -> str:
    """README.md with everything between its `generated` marks written anew."""
    text = (ROOT / "README.md").read_text("utf-8")
    parts = {"capture": capture(), "checks": checks_table(), "patches": patches_table(), "tree": tree()}
    for name, content in parts.items():
        block = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = block.sub(lambda match, content=content: f"{match[1]}\n{content}\n{match[2]}", text)  # type: ignore[misc]
    return text


def generated() -> Mapping[str, str]:
    """Every generated file and the text it should hold."""
    return {
        "patches/index.json": doctor.index.build(),
        "doctor/breakages/index.json": doctor.breakages.build(),
        "doctor/checks/index.json": doctor.checks.build(),
        "docs/checks.md": page(
            "Checks", "What `doctor check` asks.  Generated from `doctor/checks/`.", map(check_section, checks())
        ),
        "docs/breakages.md": page(
            "Breakages",
            "Combinations of releases known to be bad.  Generated from `doctor/breakages/`.",
            map(check_section, breakages()),
        ),
        "docs/patches.md": page(
            "Patches",
            "What `doctor fix` and `doctor run` rewrite.  Generated from `patches/`; functions that a rewrite brings "
            "along are left out of the examples.",
            map(patch_section, catalogue()),
        ),
        "docs/scorers.md": page(
            "Scorers",
            "What `doctor evaluate` scores, each from 0 to 10 with the evidence quoted.  Below 5 is a fault.  An "
            "answer counts by its worst fault.  Without `scorers` in the configuration: "
            + ", ".join(f"[{name}](#{name})" for name in doctor.evaluate.scorers.DEFAULT)
            + ".  Generated from `evaluate/scorers/`.",
            map(scorer_section, doctor.evaluate.scorers.names()),
        ),
        "README.md": readme(),
    }


def stale() -> dict[str, str]:
    """The generated files that differ from what the code says, with what they should hold."""
    on_disk = {name: ROOT / name for name in generated()}
    return {
        n: text for n, text in generated().items() if not on_disk[n].exists() or on_disk[n].read_text("utf-8") != text
    }


def main() -> int:
    """Write what is stale, or only name it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is stale")
    only = parser.parse_args().check
    found = stale()
    for name, text in found.items():
        sys.stdout.write(f"{'stale' if only else 'written'}: {name}\n")
        if not only:
            (ROOT / name).write_text(text, "utf-8")
    return 1 if only and found else 0


if __name__ == "__main__":
    sys.exit(main())
