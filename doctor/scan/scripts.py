"""Python files and model folders, wherever they are: a project, a single file, a cache, a Hugging Face home."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import chain
from os.path import basename, dirname, isdir, join, realpath

from doctor.chat.rows import is_data, might_be_data
from doctor.model import Export, Launch, ModelFacts, Skip, Source
from doctor.pinned import is_lock
from doctor.scan.caches import Origin, origin
from doctor.scan.files import Unreadable, decode, read_bytes, why
from doctor.scan.ignored import Rules, rules_above, rules_of
from doctor.scan.launch import CONFIGURATIONS, SHELLS, read_exports, read_launch
from doctor.scan.model_folder import read_model, remote_code
from doctor.scan.pins import FILE

PRUNED = frozenset(
    {"__pycache__", "node_modules", "site-packages", "dist-packages", "datasets_modules", "evaluate_modules"}
)
"""Folders that are never entered, beside hidden ones, environments and the hub's blobs."""


TEXTS = (".sh", ".bash", ".slurm", ".sbatch", ".yaml", ".yml", ".env", "Dockerfile", "Makefile")
"""How the names end of files that set variables and hand over arguments."""


def is_text(name: str) -> bool:
    """Whether a file is read line by line: a shell script, a Dockerfile, a configuration, a lock."""
    pins = name in ("pyproject.toml", "Pipfile") or FILE.match(name) or is_lock(name)
    return bool(pins) or name.endswith(TEXTS) or name.startswith("Dockerfile")


class Reader:
    """Collects the sources and models of the files and folders it is given; each path once."""

    def __init__(self, wanted: Callable[[str], Callable[[bytes], bool]], skipped: list[Skip]) -> None:
        self.sources: dict[str, Source] = {}
        self.models: dict[str, ModelFacts] = {}
        self.data: list[str] = []
        self.launches: dict[str, Launch] = {}
        self.exports: dict[str, tuple[Export, ...]] = {}
        self.skipped = skipped
        self._wanted = cache(wanted)

    def target(self, path: str) -> None:
        """A file or folder that the user named; one with nothing to read in it is said so."""
        self._target(path)
        seen = (self.sources, self.models, self.data, self.launches, self.exports, (skip.id for skip in self.skipped))
        inside = path.rstrip(os.sep) + os.sep
        if not any(each == path or each.startswith(inside) for each in chain(*seen, map(_config, self.models))):
            self.skipped.append(Skip(path, "holds no script, notebook, configuration, requirements, model or data set"))

    def _target(self, path: str) -> None:
        if isdir(path):
            self.folder(path, headers=True)
        elif basename(path) == "config.json":
            self.model(dirname(path), headers=True)
        elif path.endswith(".ipynb"):
            self._source(path, None, None)
        elif is_text(basename(path)):
            self.launch(path)
            self._source(path, None, None)
        elif path.endswith((".py", ".pyw")):
            place = origin(dirname(path))
            self._source(path, place, self.model(place.root if place else dirname(path), place))
        elif is_data(path):
            self.data.append(path)
        elif not self.launch(path):
            self.skipped.append(
                Skip(path, "is no Python file or notebook, data set or configuration: give one, or a folder of them")
            )

    def launch(self, path: str) -> bool:
        """Read a file that says how runs are launched; whether it is one."""
        try:
            if path.endswith(CONFIGURATIONS):
                found = read_launch(path)
                if found:
                    self.launches[path] = found
                return found is not None
            if path.endswith(SHELLS):
                self.exports[path] = read_exports(path)
                return True
        except Unreadable as error:
            self.skipped.append(Skip(path, str(error)))
            return True
        return False

    def model(self, folder: str, place: Origin | None = None, headers: bool = False) -> ModelFacts | None:
        """The model in a folder, read once."""
        known = self.models.get(folder)
        if known is None or (headers and not known.tensors):
            repository, revision = (place.repository, place.revision) if place else (None, None)
            known = read_model(folder, self.skipped, headers=headers, repository=repository, revision=revision)
            if known:
                self.models[folder] = known
        return known

    def folder(self, root: str, headers: bool = False) -> None:
        """Everything below a folder; of one that the user named, less what git ignores in it."""
        rules = rules_above(root) if headers else None
        if rules is not None and rules.ignore(root, True):
            rules = None  # named, and so wanted
        stack: list[tuple[str, ModelFacts | None, Rules | None]] = [(root, None, rules)]
        ignored = 0
        seen: set[tuple[int, int]] = set()
        while stack:
            folder, around, rules = stack.pop()
            try:
                status = os.stat(folder)
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                self.skipped.append(Skip(folder, why(error)))
                continue
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            if not {"pyvenv.cfg", "conda-meta"}.isdisjoint(entry.name for entry in entries):
                if folder == root:
                    self.skipped.append(Skip(root, f"is a Python environment: examine it with --python {root}"))
                continue
            if rules is not None:
                if folder != root and any(entry.name == ".gitignore" for entry in entries):
                    rules = rules_of(folder, rules)
                kept = [entry for entry in entries if not _ignored(entry, rules)]
                ignored, entries = ignored + len(entries) - len(kept), kept
            stack += [(below, model, rules) for below, model in self._entries(folder, entries, around, headers)]
        if ignored:
            what = f"{ignored} of its files and folders, which are not examined: name one to examine it"
            self.skipped.append(Skip(root, f"git ignores {what}"))

    def _entries(
        self, folder: str, entries: list[os.DirEntry[str]], around: ModelFacts | None, headers: bool
    ) -> list[tuple[str, ModelFacts | None]]:
        """Read the files of one folder; answer its folders, last first."""
        place = origin(folder)
        if place and place.place == "modules":
            around = None
        elif any(entry.name == "config.json" for entry in entries):
            around = self.model(folder, place, headers) or around
        repository = basename(folder).startswith("models--")
        below: list[tuple[str, ModelFacts | None]] = []
        read: list[Source | None] = []
        for entry in entries:
            try:
                is_folder = entry.is_dir()
            except OSError as error:
                self.skipped.append(Skip(entry.path, why(error)))
                continue
            if is_folder:
                if _entered(entry.name, repository) and not self._loop(entry):
                    below.append((entry.path, around))
            elif entry.name.endswith((".py", ".pyw")):
                # What else a hub repository holds (examples, handlers) is not run here.
                if place is None or around is None or remote_code(around):
                    read.append(self._source(entry.path, place, around, entry.is_symlink()))
            elif entry.name.endswith(".ipynb") or (headers and place is None and is_text(entry.name)):
                self._target(entry.path)
            elif headers and place is None and entry.name.endswith((*CONFIGURATIONS, *SHELLS)):
                self.launch(entry.path)
            elif headers and place is None and might_be_data(entry.name):
                self._data(entry.path)
        self._beside(list(filter(None, read)))
        return below[::-1]

    def _data(self, path: str) -> None:
        """A file that may hold rows of a data set."""
        from doctor.scan.dataset import holds_rows

        if holds_rows(path):
            self.data.append(path)

    def _loop(self, entry: os.DirEntry[str]) -> bool:
        if not entry.is_symlink():
            return False
        target = realpath(entry.path)
        if not (realpath(dirname(entry.path)) + os.sep).startswith(target.rstrip(os.sep) + os.sep):
            return False
        self.skipped.append(Skip(entry.path, f"is a link to {target}, a folder around it"))
        return True

    def _source(
        self, path: str, place: Origin | None, model: ModelFacts | None, link: bool | None = None
    ) -> Source | None:
        content = None if path in self.sources else self._content(path)
        if content is None:
            return None
        source = _identity(path, place, model, link)
        if self._wanted("script" if source.kind == "notebook" else source.kind)(content[0]):
            source = _kept(source, *content)
        self.sources[path] = source
        return source

    def _content(self, path: str) -> tuple[bytes, str] | None:
        """The bytes of a file, and their text; None where there are none."""
        try:
            data = read_bytes(path)
            return (data, decode(data)) if data else None
        except Unreadable as error:
            self.skipped.append(Skip(path, str(error)))
            return None

    def _beside(self, folder: list[Source]) -> None:
        """Keep all remote code of a folder where any is kept: a check may look at what is beside its file."""
        code = [source for source in folder if source.kind == "remote-code"]
        if any(source.size for source in code):
            for source in code:
                if not source.size and (content := self._content(source.path)):
                    self.sources[source.path] = _kept(source, *content)


def _config(folder: str) -> str:
    return join(folder, "config.json")


def _kept(source: Source, data: bytes, text: str) -> Source:
    from hashlib import sha256

    return replace(source, text=text, digest=sha256(data).hexdigest())


def _identity(path: str, place: Origin | None, model: ModelFacts | None, link: bool | None) -> Source:
    """What is known of a source from where it lies."""
    if path.endswith(".ipynb"):
        return Source(path, "notebook")
    if is_text(basename(path)):
        return Source(path, "text")
    if not remote_code(model) if model else place is None:
        return Source(path, "script")
    return Source(
        path,
        "remote-code",
        repository=place.repository if place else basename(model.path) if model else None,
        revision=place.revision if place else None,
        model=model.path if model else None,
        blob=_blob(path, link),
        imported=bool(place and place.place == "modules"),
    )


def _ignored(entry: os.DirEntry[str], rules: Rules | None) -> bool:
    """Whether git ignores something that would be looked at."""
    if rules is None or entry.name.startswith("."):
        return False
    try:
        folder = entry.is_dir()
    except OSError:
        return False
    looked_at = entry.name not in PRUNED if folder else True
    return looked_at and rules.ignore(entry.path, folder)


def _entered(name: str, repository: bool) -> bool:
    # In a repository of the hub cache only the snapshots have names; the files behind them are blobs.
    if name in PRUNED or name.startswith((".", "datasets--", "spaces--")):
        return False
    return name == "snapshots" or not repository


def _blob(path: str, link: bool | None) -> str | None:
    if not (os.path.islink(path) if link is None else link):
        return None
    target = realpath(path)
    return target if basename(dirname(target)) == "blobs" else None
