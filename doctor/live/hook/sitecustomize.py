"""Imported by every Python that starts under `doctor run`: patches remote code of transformers as it is imported.

Standard library only, Python 3.9 and later.  Costs nothing until remote code comes; then `_doctor_live` takes over.
A `sitecustomize` that the user has further down the path is imported as it would be without us.
"""

import os
import sys
from _frozen_importlib import ModuleSpec, module_from_spec
from _frozen_importlib_external import PathFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType
    from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 (pathlib costs more than all the rest)
READER = "transformers.dynamic_module_utils"
"""The module of transformers that reads remote code as text before it is imported."""


def _load(name: str, folders: "list[str]") -> "ModuleType | None":
    spec = PathFinder.find_spec(name, folders)
    if spec is None or spec.loader is None:
        return None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _live() -> "Any":
    return sys.modules.get("_doctor_live") or _load("_doctor_live", [HERE])


def _hook_source() -> None:
    """Give modules under `transformers_modules` the code of their patched source."""
    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> "CodeType | None":
        if fullname.startswith("transformers_modules."):
            code: CodeType | None = _live().code(self, fullname, original)
            return code
        return original(self, fullname)

    # Python leaves its own import machinery out of tracebacks; ours should not stand in them either.
    get_code.__code__ = get_code.__code__.replace(co_filename=original.__code__.co_filename)
    SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]


class _Reader:
    """Finds the module READER as Python does, and hands it over once it is loaded."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        spec = PathFinder.find_spec(name, path, target) if name == READER else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            execute = spec.loader.exec_module

            def exec_module(module: "ModuleType") -> None:
                execute(module)
                _live().reader(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _chain() -> None:
    """Import the sitecustomize that would have been imported without us."""
    place = sys.path.index(HERE) if HERE in sys.path else None
    if place is not None:
        del sys.path[place]
    try:
        _load("sitecustomize", list(sys.path))
    finally:
        if place is not None:
            sys.path.insert(place, HERE)


_hook_source()
sys.meta_path.insert(0, _Reader)
_chain()
