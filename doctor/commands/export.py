"""`doctor export`: a finished run as a model folder that every release reads, as GGUF, and for Ollama."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from doctor.complaint import complain
from doctor.report.wording import printable
from doctor.settings import UsageError

if TYPE_CHECKING:
    from doctor.trainer.export.source import Source


def run(options: argparse.Namespace) -> int:
    """Write what was asked for, and say where it is."""
    from doctor.trainer import require
    from doctor.trainer.export import bundle
    from doctor.trainer.export.source import find

    forms = bundle.names(options.gguf, options.ollama)
    require("torch", "safetensors", "tokenizers", "jinja2", what="export")
    if forms:
        _require_gguf()
    given = Path(options.source).expanduser()
    source = find(given, options.base, _cached)
    own = source.adapter is None and source.base == given
    folder = Path(options.output) if options.output else Path(f"{source.name}-export") if own else given / "merged"
    try:
        _write(source, folder, forms, own and bool(forms), options)
    except OSError as error:
        raise UsageError(f"cannot write {error.filename or folder}: {error.strerror}") from error
    return 0


def _write(source: Source, folder: Path, forms: list[str], as_it_is: bool, options: argparse.Namespace) -> None:
    """A model folder is converted as it is; everything else is merged first."""
    from doctor.trainer.export import bundle

    model = source.base if as_it_is else folder
    if not as_it_is:
        new = bundle.merged(source, folder, options.force)
        _say(
            folder, "a model folder for transformers 4.47 to 5.23" if new else "was there already, of this same adapter"
        )
    files = [bundle.gguf(model, folder, form, source.name, options.force) for form in forms]
    for file in files:
        _say(file, f"{file.stat().st_size / 1e6:,.0f} MB, for llama.cpp and what is built on it")
    if options.ollama:
        path, speaks = bundle.ollama(model, files[-1], source.system, options.force)
        _say(path, f"ollama create {source.name} -f {path}")
        if not speaks:
            complain("the model's chat template takes no system prompt; Ollama will leave one out")


def _require_gguf() -> None:
    from importlib.util import find_spec

    if find_spec("gguf") is None:
        raise UsageError("--gguf and --ollama need gguf: run `pip install 'tune-doctor[gguf]'`")


def _say(path: Path, what: str) -> None:
    sys.stdout.write(f"{printable(str(path))}: {printable(what)}\n")


def _cached(name: str) -> Path:
    """The folder of a hub id in the cache; nothing is downloaded."""
    from doctor.scan import Request, nothing, scan

    try:
        facts = scan(Request(model=name, wanted=nothing, caches=False))
    except ValueError as error:
        raise UsageError(f"export: {error}; name the base model's folder with --base") from error
    return Path(facts.models[0].path)
