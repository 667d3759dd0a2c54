"""Hugging Face's caches: where they are, and what a file's place in one tells of it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from os.path import abspath, basename, dirname, expanduser, isdir, isfile, join
from typing import Literal

from doctor.scan.interpreter import home

DYNAMIC = "transformers_modules"
"""The package that transformers makes of remote code."""

_COMMIT = re.compile(r"[0-9a-f]{40}$")
_DIGEST = re.compile(r"[0-9a-f]{16}$")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Caches:
    """The two folders, as huggingface-hub and transformers would work them out."""

    hub: str
    modules: str


@dataclass(frozen=True)
class Origin:
    """A folder within a cache."""

    place: Literal["modules", "snapshot"]
    repository: str | None
    """Hub id, or the name of the local folder that was copied."""
    revision: str | None
    root: str
    """The folder that holds the whole repository at this revision."""
    local: bool = False
    """Whether it was copied from a local model folder."""


def locate(environment: Mapping[str, str], directory: str, legacy: bool = False) -> Caches:
    """Where the caches are; `legacy` for transformers 4, which also honours its own three variables."""
    folder = environment.get("XDG_CACHE_HOME", join(home(environment), ".cache"))
    base = _expand(environment.get("HF_HOME", join(folder, "huggingface")), environment)
    names = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]
    if legacy:
        names = ["TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE", "PYTORCH_PRETRAINED_BERT_CACHE", *names]
    hub = next((_expand(environment[name], environment) for name in names if name in environment), join(base, "hub"))
    modules = environment.get("HF_MODULES_CACHE", join(base, "modules"))
    return Caches(abspath(join(directory, hub)), abspath(join(directory, modules)))


def _expand(path: str, environment: Mapping[str, str]) -> str:
    if path.startswith("~/") or path == "~":
        path = home(environment) + path[1:]
    return _VARIABLE.sub(lambda match: environment.get(match[1] or match[2], match[0]), expanduser(path))


@cache
def origin(folder: str) -> Origin | None:
    """What the place of a folder tells, None where it is in no cache."""
    parts = folder.split(os.sep)
    if DYNAMIC in parts:
        at = len(parts) - parts[::-1].index(DYNAMIC)
        return _module(parts, at)
    for at, part in enumerate(parts):
        if part.startswith("models--") and parts[at + 1 : at + 2] == ["snapshots"] and len(parts) > at + 2:
            repository = part.removeprefix("models--").replace("--", "/")
            return Origin("snapshot", repository, parts[at + 2], os.sep.join(parts[: at + 3]))
    return None


def _module(parts: list[str], at: int) -> Origin:
    """`org/name/commit/...`, `name/commit/...`, `name/...` or (newer releases) `name/digest/...` below the package.

    A snapshot that was loaded by its path is a local folder whose name is its commit.
    """
    inside = parts[at:]
    for index, part in enumerate(inside[:3]):
        hub = index > 0 and _COMMIT.match(part)
        if hub or (index < 2 and _DIGEST.match(part)):
            names = "/".join(map(plain, inside[:index])) or None
            return Origin("modules", names, part, os.sep.join(parts[: at + index + 1]), local=not hub)
    name = plain(inside[0]) if inside else None
    return Origin("modules", name, None, os.sep.join(parts[: at + 1]), local=True)


def plain(name: str) -> str:
    """The name that newer releases made importable.

    >>> plain("Phi_hyphen_3_dot_5")
    'Phi-3.5'
    """
    name = name.replace("_dot_", ".").replace("_hyphen_", "-")
    return name[1:] if re.match(r"_\d", name) else name


def snapshot(hub: str, repository: str, revision: str | None = None) -> str | None:
    """The folder of a hub repository in the cache: at a commit, branch or tag, else main, else the newest there is."""
    folder = join(hub, "models--" + repository.replace("/", "--"))
    snapshots = join(folder, "snapshots")
    reference = join(folder, "refs", revision or "main")
    names = [revision] if revision else []
    if isfile(reference):
        with open(reference, encoding="utf-8", errors="replace") as file:
            names.append(file.read(100).strip())
    if not revision and isdir(snapshots):
        names += sorted(os.listdir(snapshots), key=lambda name: -os.stat(join(snapshots, name)).st_mtime)
    return next((path for name in names if name and isdir(path := join(snapshots, name))), None)


def neighbour(origin: Origin) -> tuple[str, str]:
    """The modules cache that a folder lies in, after the hub cache beside it (`HF_HOME/hub`, `HF_HOME/modules`)."""
    folder = origin.root
    while basename(folder) != DYNAMIC:
        folder = dirname(folder)
    return join(dirname(dirname(folder)), "hub"), dirname(folder)
