"""Where a patched file must be written so that transformers imports it (`doctor.remote` says how that is known).

- A hub repository is patched in the modules cache: the copy there holds until the repository gets a new commit.
  Where there is no copy yet, a patched one is laid down with the packages around it, and so is the spelling of the
  name that releases from 4.57 on will look for.
- A snapshot is the place itself, together with its copies, where transformers compares the two or loads it by its
  path (as the target of a fix suggests).  Its link into the blobs then becomes a patched file; the blob stays.
- A local model folder is the place itself; patching its copy alone is lost at the next load.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from doctor.fix import Left
from doctor.model import Facts, Source
from doctor.remote import Layout, Revision, in_snapshot


@dataclass(frozen=True)
class Place:
    """A file to write: an existing one, one to create, or a link into the blobs that becomes a file."""

    path: str
    create: bool = False
    link: bool = False
    packages: tuple[str, ...] = ()
    """Folders, outermost first, that need an `__init__.py`, as transformers makes them."""
    note: str = ""


class Places:
    """Where the patched text of each source goes."""

    def __init__(self, facts: Facts) -> None:
        self.layout = Layout(facts)

    def of(self, source: Source) -> tuple[Place, ...] | Left:
        """Every file to write for a source; empty where its copies, sources themselves, are all there."""
        if source.kind != "remote-code":
            return (Place(source.path),)
        if snapshot := in_snapshot(source.path):
            return self._of_snapshot(source, snapshot)
        if copy := self.layout.in_copy(source.path):
            name = source.repository or copy.repository
            return (Place(source.path, note=_again(name)), *self._missing(copy, name))
        if self.layout.below(source.path) is not None:
            return self._of_local_copy(source)
        note = "transformers copies it to its modules cache again at the next load"
        return (Place(source.path, link=bool(source.blob), note=note),)

    def group(self, source: Source) -> tuple[str, ...]:
        """What the files of one repository and revision, or of one folder, have in common."""
        if snapshot := in_snapshot(source.path):
            return ("snapshot", snapshot.repository, snapshot.commit)
        if copy := self.layout.in_copy(source.path):
            return ("copy", copy.repository, copy.commit)
        return ("folder", str(PurePath(source.path).parent))

    def _of_snapshot(self, source: Source, of: Revision) -> tuple[Place, ...]:
        copies = self._missing(of, of.repository) if "/" in of.repository and self.layout.facts.modules_cache else ()
        if not self.layout.stands_alone(source.path, of):
            return copies
        return (Place(source.path, link=bool(source.blob), note=_again(of.repository)), *copies)

    def _missing(self, of: Revision, name: str) -> tuple[Place, ...]:
        paths = (path for path in self.layout.copies(of) if str(path) not in self.layout.sources)
        return tuple(self._new(path, _again(name)) for path in paths)

    def _new(self, path: PurePath, note: str) -> Place:
        packages = [str(folder) for folder in path.parents if folder.is_relative_to(self.layout.cache)]
        return Place(str(path), create=True, packages=tuple(reversed(packages)), note=note)

    def _of_local_copy(self, source: Source) -> tuple[Place, ...] | Left:
        """A copy of a local folder is worth patching only together with the folder itself."""
        name = PurePath(source.path).name
        for other in self.layout.sources.values():
            same = other.digest == source.digest and PurePath(other.path).name == name
            if same and self.layout.below(other.path) is None:
                return (Place(source.path, note=f"a copy of {other.path}, which is patched as well"),)
        return Left(
            source.path,
            "transformers copies this file from a local model folder at every load, and this folder was not scanned",
            f"name the folder: `doctor fix PATH/TO/{source.repository or 'MODEL'}`",
        )


def _again(repository: str) -> str:
    return f"a new revision of {repository} will need this again"
