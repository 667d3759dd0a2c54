"""Which model's config goes with the copies of remote code that transformers imports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from os.path import basename, dirname, isfile, join

from doctor.model import Source
from doctor.scan.caches import Caches, Origin, neighbour, origin, plain, snapshot
from doctor.scan.model_folder import code_repositories
from doctor.scan.scripts import Reader


def link(reader: Reader, places: Caches, directory: str) -> tuple[Source, ...]:
    """The sources, those of the modules cache with the model folder that was loaded with them.

    A model that was not read yet is added to the reader's.
    """
    known: dict[str, str | None] = {}
    sources: list[Source] = []
    for source in reader.sources.values():
        place = origin(dirname(source.path)) if source.imported and source.kind == "remote-code" else None
        if place:
            if place.root not in known:
                known[place.root] = _model(reader, place, places, directory)
            source = replace(source, model=known[place.root])
        sources.append(source)
    return tuple(sources)


def _model(reader: Reader, place: Origin, places: Caches, directory: str) -> str | None:
    for folder in _folders(reader, place, places, directory):
        if reader.model(folder, None if place.local else place):
            return folder
    # A fine-tuned model may use the code of the repository it comes from: `org/name--module.Class`.
    users = (m.path for m in reader.models.values() if place.repository in code_repositories(m))
    return None if place.local else next(users, None)


def _folders(reader: Reader, place: Origin, places: Caches, directory: str) -> Iterator[str]:
    if place.local:
        names = {place.repository, basename(place.root)}
        yield from (path for path in reader.models if {basename(path), plain(basename(path))} & names)
        yield from (join(directory, name) for name in _names(directory) if {name, plain(name)} & names)
        return
    for hub in dict.fromkeys((places.hub, neighbour(place))):
        folder = snapshot(hub, place.repository or "", place.revision)
        if folder and basename(folder) == place.revision:
            yield folder


def _names(directory: str) -> list[str]:
    try:
        return [name for name in sorted(os.listdir(directory)) if isfile(join(directory, name, "config.json"))]
    except OSError:
        return []
