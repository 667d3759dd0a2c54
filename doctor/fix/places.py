"""Where a patched file must be written so that transformers imports it.

Measured on 4.47.1, 4.57.6, 5.0.0, 5.3.0 and 5.23.0 (`dynamic_module_utils.get_cached_module_file`):

- A hub repository is imported from `transformers_modules/OWNER/NAME/COMMIT/` in the modules cache.  A file that
  is there is never compared with the snapshot again, and one that is missing is copied from it.  So a patched copy
  holds until the repository gets a new commit; where there is no copy yet, one can be laid down beforehand.
- From 4.57 on the folder is spelled as a Python name (`Phi-3` is `Phi_hyphen_3`), so that the first load after
  an upgrade makes a fresh, unpatched copy: the new spelling is laid down together with the old.
- Repositories without an owner are compared with the snapshot at every load before 5.4, and a snapshot that is
  loaded by its path is a local folder to transformers.  For both the snapshot itself is the place: its link into
  the blobs becomes a patched file, and the blob stays as it is.
- A local model folder is copied to `transformers_modules/NAME/` (newer releases: `NAME/DIGEST/`) whenever the
  two differ.  The folder is the place; patching the copy alone is lost at the next load.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from doctor.fix import Left
from doctor.model import Facts, Source, within

_SNAPSHOT = re.compile(r"(?P<folder>.*/models--(?P<name>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40}))/(?P<file>.+)")
_COPY = re.compile(r"(?P<name>[^/]+(?:/[^/]+)?)/(?P<commit>[0-9a-f]{40})/(?P<file>.+)")
MODULES = "transformers_modules"


@dataclass(frozen=True)
class Place:
    """A file to write: an existing one, one to create, or a link into the blobs that becomes a file."""

    path: str
    create: bool = False
    link: bool = False
    packages: tuple[str, ...] = ()
    """Folders, outermost first, that need an `__init__.py`, as transformers makes them."""
    note: str = ""


def spelled(name: str) -> str:
    """A repository's or folder's name as a Python name, the way transformers spells it from 4.57 on.

    >>> spelled("microsoft/Phi-3.5-mini")
    'microsoft/Phi_hyphen_3_dot_5_hyphen_mini'
    """
    parts = [part.replace(".", "_dot_").replace("-", "_hyphen_") for part in name.split("/")]
    return "/".join(f"_{part}" if part[:1].isdigit() else part for part in parts)


@dataclass(frozen=True)
class Atlas:
    """The sources by path, and the one question: where does the patched text of one of them go?"""

    facts: Facts
    sources: Mapping[str, Source] = field(default_factory=dict)

    def places(self, source: Source) -> tuple[Place, ...] | Left:
        """Every file to write for a source; empty where the copy that is imported speaks for itself."""
        if source.kind != "remote-code":
            return (Place(source.path),)
        snapshot = _SNAPSHOT.fullmatch(PurePath(source.path).as_posix())
        if snapshot:
            return self._of_snapshot(source, snapshot)
        within_cache = self._below_modules(source.path)
        if within_cache is None:
            note = "transformers copies it to its modules cache again at the next load"
            return (Place(source.path, link=bool(source.blob), note=note),)
        copy = _COPY.fullmatch(within_cache)
        if copy:
            name = source.repository or copy["name"]
            return (Place(source.path, note=_again(name)), *self._copies(copy["name"], copy["commit"], copy["file"]))
        return self._of_local_copy(source)

    def group(self, source: Source) -> tuple[str, ...]:
        """What the files of one repository and revision, or of one folder, have in common."""
        snapshot = _SNAPSHOT.fullmatch(PurePath(source.path).as_posix())
        if snapshot:
            return ("snapshot", snapshot["folder"])
        copy = _COPY.fullmatch(self._below_modules(source.path) or "")
        if copy:
            return ("copy", copy["name"], copy["commit"])
        return ("folder", str(PurePath(source.path).parent))

    def _below_modules(self, path: str) -> str | None:
        modules = PurePath(self.facts.modules_cache) / MODULES
        if not self.facts.modules_cache or not PurePath(path).is_relative_to(modules):
            return None
        return PurePath(path).relative_to(modules).as_posix()

    def _of_snapshot(self, source: Source, at: re.Match[str]) -> tuple[Place, ...]:
        name = at["name"].replace("--", "/")
        itself = Place(source.path, link=bool(source.blob), note=_again(name))
        if "/" not in name or not self.facts.modules_cache:
            return (itself,)
        copies = self._copies(name, at["commit"], at["file"])
        return (itself, *copies) if self._loaded_by_path(at["commit"]) else copies

    def _copies(self, name: str, commit: str, file: str) -> tuple[Place, ...]:
        """The copies that are not there yet, one for each spelling of the repository's name."""
        old = within("transformers<4.57", self.facts.transformers)
        names = dict.fromkeys((*((name,) if old else ()), spelled(name)))
        cache = PurePath(self.facts.modules_cache)
        paths = [cache / MODULES / spelling / commit / file for spelling in names]
        return tuple(_new(path, cache, _again(name)) for path in paths if str(path) not in self.sources)

    def _loaded_by_path(self, commit: str) -> bool:
        folders = (self._below_modules(path) for path in self.sources)
        return any(folder.partition("/")[0] in (commit, spelled(commit)) for folder in folders if folder)

    def _of_local_copy(self, source: Source) -> tuple[Place, ...] | Left:
        """A copy of a local folder is worth patching only together with the folder itself."""
        name = PurePath(source.path).name
        for other in self.sources.values():
            same = other.digest == source.digest and PurePath(other.path).name == name
            if same and self._below_modules(other.path) is None:
                return (Place(source.path, note=f"a copy of {other.path}, which is patched as well"),)
        return Left(
            source.path,
            "transformers copies this file from a local model folder at every load, and this folder was not scanned",
            f"name the folder: `doctor fix PATH/TO/{source.repository or 'MODEL'}`",
        )


def _again(repository: str) -> str:
    return f"a new revision of {repository} will need this again"


def _new(path: PurePath, cache: PurePath, note: str) -> Place:
    packages = [str(folder) for folder in path.parents if folder.is_relative_to(cache)]
    return Place(str(path), create=True, packages=tuple(reversed(packages)), note=note)
