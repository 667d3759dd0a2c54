"""Where transformers keeps remote code and which copy it imports: names and paths, nothing is read.

Measured on 4.47.1, 4.57.6, 5.0.0, 5.3.0 and 5.23.0 (`dynamic_module_utils.get_cached_module_file`):

- A hub repository is imported from `transformers_modules/OWNER/NAME/COMMIT/` in the modules cache.  A file that
  is there is never compared with the snapshot again; one that is missing is copied from it.
- From 4.57 on the folder is spelled as a Python name (`Phi-3` is `Phi_hyphen_3`), so that the first load after an
  upgrade makes a fresh copy.
- The copies of a repository without an owner are compared with the snapshot at every load (up to 5.3 at least),
  and a snapshot that is loaded by its path is a local model folder to transformers.
- A local model folder is copied to `transformers_modules/NAME/` (newer releases: `NAME/DIGEST/`) whenever the two
  differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from doctor.model import Facts, Source, within

MODULES = "transformers_modules"
_SNAPSHOT = re.compile(r"(?P<folder>.*/models--(?P<name>[^/]+)/snapshots/(?P<commit>[0-9a-f]{40}))/(?P<file>.+)")
_COPY = re.compile(r"(?P<name>[^/]+(?:/[^/]+)?)/(?P<commit>[0-9a-f]{40})/(?P<file>.+)")


@dataclass(frozen=True)
class Revision:
    """A file of a hub repository at a commit, in a snapshot or in the modules cache."""

    repository: str
    """As its folder spells it."""
    commit: str
    file: str
    """Path within the repository."""


def spelled(name: str) -> str:
    """A repository's or folder's name as a Python name, the way transformers spells it from 4.57 on.

    >>> spelled("microsoft/Phi-3.5-mini")
    'microsoft/Phi_hyphen_3_dot_5_hyphen_mini'
    """
    parts = [part.replace(".", "_dot_").replace("-", "_hyphen_") for part in name.split("/")]
    return "/".join(f"_{part}" if part[:1].isdigit() else part for part in parts)


def in_snapshot(path: str) -> Revision | None:
    """What a path in the hub cache's snapshots says."""
    found = _SNAPSHOT.fullmatch(PurePath(path).as_posix())
    return Revision(found["name"].replace("--", "/"), found["commit"], found["file"]) if found else None


class Layout:
    """The modules cache of some facts."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.cache = PurePath(facts.modules_cache)
        self.sources = {source.path: source for source in facts.sources}

    def below(self, path: str) -> str | None:
        """The path below `transformers_modules`, None where it is elsewhere."""
        folder = self.cache / MODULES
        if not self.facts.modules_cache or not PurePath(path).is_relative_to(folder):
            return None
        return PurePath(path).relative_to(folder).as_posix()

    def in_copy(self, path: str) -> Revision | None:
        """What a path in the modules cache says, None where it is no copy of a hub repository."""
        found = _COPY.fullmatch(self.below(path) or "")
        return Revision(found["name"], found["commit"], found["file"]) if found else None

    def copies(self, of: Revision) -> tuple[PurePath, ...]:
        """The copy that the judged release imports, then the one that newer releases import."""
        names = dict.fromkeys((*((of.repository,) if self._verbatim else ()), spelled(of.repository)))
        return tuple(self.cache / MODULES / name / of.commit / of.file for name in names)

    def stands_alone(self, path: str, of: Revision) -> bool:
        """Whether a snapshot is loaded by its path (a target is taken so), or copies are compared with it."""
        targets = (PurePath(target) for target in self.facts.targets if in_snapshot(f"{target}/x"))
        by_path = of.commit in self._loaded_by_path or any(PurePath(path).is_relative_to(target) for target in targets)
        return by_path or "/" not in of.repository or not self.facts.modules_cache

    def superseded(self, source: Source) -> bool:
        """Whether a snapshot's file is not read any more, for the judged release has its copy."""
        of = in_snapshot(source.path) if source.kind == "remote-code" and not source.imported else None
        return of is not None and not self.stands_alone(source.path, of) and str(self.copies(of)[0]) in self.sources

    @cached_property
    def _verbatim(self) -> bool:
        named = re.findall(r"transformers\s*==\s*([\w.]+)", self.facts.against or "")
        return any(within("transformers<4.57", version) for version in named or [self.facts.transformers])

    @cached_property
    def _loaded_by_path(self) -> frozenset[str]:
        folders = {(self.below(path) or "").partition("/")[0] for path in self.sources}
        return frozenset(found[0] for folder in folders if (found := re.fullmatch("[0-9a-f]{40}", folder.lstrip("_"))))
