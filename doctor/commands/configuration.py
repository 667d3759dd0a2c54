"""`--config train.yaml`: what a run's configuration says of its model, data, length and card, as options of `check`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doctor.settings import UsageError

SAID = {"max_length": int, "vram": str, "model": str}
"""Keys that are options under the same name, and what they hold."""


def take(options: argparse.Namespace) -> None:
    """Fill the options that the command line leaves open with what the file of `--config` says.

    Keys that do not concern a check are left to the training command.  Raises UsageError where the file cannot be
    read, is no mapping, or says something else than the key holds; the message names the file and the key.
    """
    if not options.config:
        return
    path = Path(options.config)
    said = _read(path)
    for name, kind in SAID.items():
        value = said.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise UsageError(f"--config: {path}: {name} is {value!r}: write {_example(name)}")
        if value is not None and getattr(options, name) is None:
            setattr(options, name, value)
    if isinstance(options.model, str) and said.get("model") == options.model:
        options.model = _beside(path, options.model)
    data = said.get("data")
    where = data.get("path") if isinstance(data, Mapping) else data
    if where is not None and not isinstance(where, str):
        raise UsageError(
            f"--config: {path}: data.path is {where!r}: write a file, such as `data: {{path: rows.jsonl}}`"
        )
    if where and not options.data:
        options.data = [_beside(path, where)]
    system = data.get("system") if isinstance(data, Mapping) else None
    if system is not None and not isinstance(system, str):
        raise UsageError(f"--config: {path}: data.system is {system!r}: write the text of a system prompt")
    options.system = system


def _read(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        said = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--config: cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"--config: {path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(said, Mapping):
        raise UsageError(f"--config: {path} holds no keys: begin with `model: PATH_OR_ID`")
    return said


def _beside(path: Path, name: str) -> str:
    """A path as written, or, where only that is there, from the folder of the configuration."""
    beside = path.parent / name
    return str(beside) if not Path(name).expanduser().exists() and beside.exists() else name


def _example(name: str) -> str:
    return {"max_length": "`max_length: 1024`", "vram": "`vram: 4GiB`", "model": "`model: PATH_OR_ID`"}[name]
