"""Which model's config goes with the copies of remote code that transformers imports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from os.path import basename, dirname, isdir, isfile, join

from doctor.model import ModelFacts, Source
from doctor.scan.caches import Caches, Origin, neighbour, origin, plain
from doctor.scan.files import Unreadable, names, read_bytes
from doctor.scan.model_folder import code_repositories
from doctor.scan.scripts import Reader


def link(reader: Reader, places: Caches, directory: str) -> tuple[Source, ...]:
    """The sources, those of the modules cache with the model folder that was loaded with them.

    What was not read yet is added to the reader's: the config of a hub snapshot, the local folder of a copy.
    """
    models: dict[str, ModelFacts | None] = {}
    for place in filter(None, map(_place, list(reader.sources.values()))):
        if place.root not in models:
            models[place.root] = _model(reader, place, places, directory)
    return tuple(_linked(source, models) for source in reader.sources.values())


def seen(sources: tuple[Source, ...], places: Caches) -> Caches:
    """The caches that were read: where a target lies in another modules cache, that one and the hub cache beside it."""
    for place in filter(None, map(_place, sources)):
        hub, modules = neighbour(place)
        return places if modules == places.modules else Caches(hub if isdir(hub) else places.hub, modules)
    return places


def _place(source: Source) -> Origin | None:
    """The folder in the modules cache that a source lies in."""
    return origin(dirname(source.path)) if source.imported and source.kind == "remote-code" else None


def _linked(source: Source, models: Mapping[str, ModelFacts | None]) -> Source:
    place = _place(source)
    model = models[place.root] if place else None
    if place is None or model is None:
        return source
    if not place.local:
        return replace(source, model=model.path)
    # A snapshot that was loaded by its path lies under its commit; the snapshot knows its repository.
    original = join(model.path, source.path.removeprefix(place.root + os.sep))
    repository = model.repository or source.repository
    return replace(source, model=model.path, repository=repository, imported=_same(source.path, original))


def _same(copy: str, original: str) -> bool:
    """Whether a copy is up to date: transformers does not import one that differs from its original."""
    try:
        return read_bytes(copy) == read_bytes(original)
    except Unreadable:
        return False


def _model(reader: Reader, place: Origin, places: Caches, directory: str) -> ModelFacts | None:
    for folder in _folders(reader, place, places, directory):
        if place.local and folder not in reader.models:
            reader.folder(folder)
        if model := reader.model(folder, None if place.local else place):
            return model
    # A fine-tuned model may use the code of the repository it comes from: `org/name--module.Class`.
    users = (model for model in reader.models.values() if place.repository in code_repositories(model))
    return None if place.local else next(users, None)


def _folders(reader: Reader, place: Origin, places: Caches, directory: str) -> Iterator[str]:
    if place.local:
        wanted = {place.repository, basename(place.root)}
        yield from [path for path in reader.models if {basename(path), plain(basename(path))} & wanted]
        here = [join(directory, name) for name in names(directory) if {name, plain(name)} & wanted]
        yield from (folder for folder in here if isfile(join(folder, "config.json")))
        return
    name = "models--" + (place.repository or "").replace("/", "--")
    for hub in dict.fromkeys((places.hub, neighbour(place)[0])):
        if isdir(folder := join(hub, name, "snapshots", place.revision or "")):
            yield folder
