"""An environment variable is set that the installed release does not read.

Why it matters: nothing says so.  With `TRANSFORMERS_CACHE` on transformers 5, models are downloaded again to
`~/.cache/huggingface`, which fills the small disk the variable was meant to spare.

What to do: set the variable that is read instead; the remedy gives the line.

Reference: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from doctor.model import Export, Facts, Finding, Location, Package, Remedy, Severity, Source, check, within

if TYPE_CHECKING:
    from doctor.code import Code


class Ignored(NamedTuple):
    """Who stopped reading a variable, and what is read instead: a variable that takes the same value, or a text."""

    by: str
    instead: str
    same: bool = False


V5 = "transformers>=5"
HUB = "huggingface-hub>=1"
VARIABLES = {
    "TRANSFORMERS_CACHE": Ignored(V5, "HF_HUB_CACHE", same=True),
    "PYTORCH_TRANSFORMERS_CACHE": Ignored(V5, "HF_HUB_CACHE", same=True),
    "PYTORCH_PRETRAINED_BERT_CACHE": Ignored(V5, "HF_HUB_CACHE", same=True),
    "WANDB_DISABLED": Ignored(V5, 'report_to="none" in TrainingArguments, which is the default there'),
    "HF_HUB_ENABLE_HF_TRANSFER": Ignored(HUB, "HF_XET_HIGH_PERFORMANCE", same=True),
    "HF_HUB_LOCAL_DIR_AUTO_SYMLINK_THRESHOLD": Ignored(HUB, ""),
    "HF_ENABLE_PARALLEL_LOADING": Ignored(V5, ""),
    "HF_PARALLEL_LOADING_WORKERS": Ignored(V5, ""),
    "USE_TORCH": Ignored(V5, ""),
    "USE_TF": Ignored(V5, ""),
    "USE_FLAX": Ignored(V5, ""),
    "FORCE_TF_AVAILABLE": Ignored(V5, ""),
    "HUGGINGFACE_CO_RESOLVE_ENDPOINT": Ignored(V5, "HF_ENDPOINT", same=True),
    "HUGGINGFACE_CO_STAGING": Ignored(V5, "HF_ENDPOINT"),
    "HF_HUB_READ_TOKEN": Ignored(V5, "HF_TOKEN", same=True),
    "TRANSFORMERS_USE_MULTIPROCESSING": Ignored(V5, ""),
    "ACCELERATE_USE_IPEX": Ignored(V5, ""),
    "FX_DEBUG_MODE": Ignored(V5, ""),
}
SECRET = "(set)"
"""What the scan shows for a variable that holds a token."""
COSTLY = ("TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE", "PYTORCH_PRETRAINED_BERT_CACHE")
FIVE = {"transformers": Package("transformers", "5.23.0"), "huggingface-hub": Package("huggingface-hub", "2.4.0")}
FOUR = {"transformers": Package("transformers", "4.57.6"), "huggingface-hub": Package("huggingface-hub", "0.36.2")}


def _script(text: str) -> Facts:
    return Facts(packages=FIVE, sources=(Source("train.py", "script", text),))


@check(
    "packages",
    Severity.HINT,
    passes=[
        Facts(packages=FIVE, variables={"HF_HOME": "/data/hf", "HF_HUB_CACHE": "/data/hf/hub"}),
        Facts(packages=FOUR, variables={"TRANSFORMERS_CACHE": "/data/hf", "HF_HUB_ENABLE_HF_TRANSFER": "1"}),
        Facts(packages=FIVE, variables={"TRANSFORMERS_CACHE": "/data/hf", "HF_HUB_CACHE": "/data/hf"}),
        Facts(packages=FIVE, variables={"TRANSFORMERS_CACHE": ""}),
        Facts(packages=FOUR, exports=(Export("/project/run.sh", 3, "TRANSFORMERS_CACHE", "/data/hf"),)),
    ],
    fails=[
        Facts(packages=FIVE, variables={"TRANSFORMERS_CACHE": "/data/hf"}),
        Facts(packages=FIVE, variables={"HF_HUB_ENABLE_HF_TRANSFER": "1"}),
        Facts(packages=FIVE, variables={"WANDB_DISABLED": "true"}),
        Facts(packages=FIVE, exports=(Export("/project/run.sh", 3, "TRANSFORMERS_CACHE", "/data/hf"),)),
    ],
)
def variable_ignored(facts: Facts) -> Iterator[Finding]:
    """Compare the variables that are set, here or by a script, with those the installed releases read."""
    yield from _ignored(facts, facts.variables, {})
    for path in dict.fromkeys(export.path for export in facts.exports):
        own = [export for export in facts.exports if export.path == path]
        places = {export.name: Location(path, export.line) for export in own}
        yield from _ignored(facts, {export.name: export.value for export in own}, places)


def _ignored(facts: Facts, variables: Mapping[str, str], places: Mapping[str, Location]) -> Iterator[Finding]:
    for name, ignored in VARIABLES.items():
        value = variables.get(name)
        distribution = ignored.by.partition(">")[0]
        version = facts.version(distribution)
        if not value or version is None or not within(ignored.by, version):
            continue
        if not (ignored.same and ignored.instead in variables):
            yield replace(_finding(name, value, ignored, f"{distribution} {version}"), where=places.get(name))


def _stores(code: Code) -> Iterator[tuple[ast.AST, str]]:
    """Where a script sets a variable: `os.environ[NAME] = ...`, `os.environ.setdefault(NAME, ...)`, `os.putenv`."""
    for node in code.nodes(ast.Subscript):
        stored = isinstance(node.ctx, ast.Store) and ast.unparse(node.value).endswith("environ")
        if stored and isinstance(node.slice, ast.Constant):
            yield node, str(node.slice.value)
    for call in code.nodes(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("setdefault", "putenv") and call.args:
            known = "environ" in ast.unparse(call.func) or call.func.attr == "putenv"
            if known and isinstance(call.args[0], ast.Constant):
                yield call, str(call.args[0].value)
    if code.notebook is not None:
        for line in code.nodes(ast.Pass):
            if match := MAGIC.search(code.lines()[line.lineno - 1]):
                yield line, match[1]


SET = re.compile(
    r"^[ \t]*(?:export |ENV |ARG |set |-e |- )?[ \t]*(" + "|".join(VARIABLES) + r")(?=[ \t]*[=:]|[ \t]+\S)"
)
"""A line of a shell script, a Dockerfile or a list of variables that sets one."""
MAGIC = re.compile(r"\bpass  # _doctor_magic_ ?%(?:set_)?env[ \t]+(" + "|".join(VARIABLES) + r")(?=[ \t]*=|[ \t]+\S)")
"""A line of a notebook that sets one, out of the way of the parser."""


def _lines(code: Code, facts: Facts) -> Iterator[Finding]:
    """The same of a Dockerfile or a Makefile, whose lines are rewritten; shell scripts are in `Facts.exports`."""
    if code.source.path.endswith((".sh", ".bash", ".zsh", ".env")):
        return
    text = "\n".join(code.lines())
    for number, line in enumerate(code.lines(), 1):
        match = SET.match(line)
        ignored = VARIABLES[match[1]] if match else None
        if match is None or ignored is None or (ignored.same and re.search(rf"\b{ignored.instead}\b", text)):
            continue
        distribution = ignored.by.partition(">")[0]
        version = facts.transformers if distribution == "transformers" else facts.version(distribution)
        if version is None or not within(ignored.by, version):
            continue
        name, place = match[1], Location(code.source.path, number, match.start(1) + 1)
        again = len(re.findall(rf"\b{name}\b", text)) > 1
        safe = ignored.same and name in COSTLY and not again
        remedy = Remedy("edit", f"set {ignored.instead}" if ignored.instead else "leave it out", ignored.instead, safe)
        severity = Severity.WARNING if name in COSTLY else Severity.HINT
        said = f"{name} is set here, but {distribution} {version} does not read it"
        yield Finding(said, remedy, place, f"variable in text:{name}", replaces=name if safe else "", severity=severity)


def _read(code: Code, facts: Facts) -> Iterator[Finding]:
    """The same of the variables that a script sets itself."""
    if code.source.kind == "text":
        yield from _lines(code, facts)
        return
    set_here = {name for _, name in _stores(code)}
    for node, name in _stores(code):
        ignored = VARIABLES.get(name)
        if ignored is None or code.tested(node) or (ignored.same and ignored.instead in set_here):
            continue
        distribution = ignored.by.partition(">")[0]
        version = facts.transformers if distribution == "transformers" else facts.version(distribution)
        if version is not None and within(ignored.by, version):
            severity = Severity.WARNING if name in COSTLY else Severity.HINT
            message = f"{name} is set here, but {distribution} {version} does not read it"
            text = f"set {ignored.instead}" if ignored.instead else "leave it out: it has no effect"
            construct = f"variable{' in text' if isinstance(node, ast.Pass) else ''}:{name}"
            yield Finding(message, Remedy("advice", text), code.location(node), construct, severity=severity)


variable_ignored = replace(
    variable_ignored,
    read=_read,
    needles=tuple(name.encode() for name in VARIABLES if len(name) > 6),
    kinds=("script", "notebook", "text"),
    passes=(*variable_ignored.passes, _script("import os\nprint(os.environ['TRANSFORMERS_CACHE'])")),
    fails=(*variable_ignored.fails, _script("import os\nos.environ['TRANSFORMERS_CACHE'] = '/data/hf'")),
)


def _finding(name: str, value: str, ignored: Ignored, by: str) -> Finding:
    message = f"{name}={value} is set, but {by} does not read it"
    if ignored.same:
        secret = value == SECRET
        line = f"export {ignored.instead}=" + (f'"${name}"' if secret else shlex.quote(value))
        remedy = Remedy("variable", f"run `{line}`", None if secret else f"{ignored.instead}={value}", safe=not secret)
    elif ignored.instead:
        remedy = Remedy("advice", f"use {ignored.instead}")
    else:
        remedy = Remedy("advice", f"run `unset {name}`: it has no effect", f"unset {name}")
    return Finding(message, remedy, severity=Severity.WARNING if name in COSTLY else Severity.HINT)
