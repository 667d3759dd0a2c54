"""The packages of the extras `evaluate` and `gguf`, imported where they are needed."""

from __future__ import annotations

import importlib
from types import ModuleType

from doctor.settings import UsageError


def needed(name: str, extra: str = "evaluate") -> ModuleType:
    """A module of the extra; one sentence with the command that installs it where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise UsageError(
            f"doctor evaluate needs {package}, which is not installed ({error}): pip install 'tune-doctor[{extra}]'"
        ) from error
