"""The only readers of the outside world: they turn files, variables and drivers into Facts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os.path import abspath, basename, dirname, expanduser, isdir, isfile, join

from doctor.model import DataFacts, Facts, Package, Python, Skip
from doctor.probe import Probe
from doctor.scan import binaries, caches, interpreter, machine, packages, variables
from doctor.scan.files import why
from doctor.scan.remote import link, seen
from doctor.scan.scripts import Reader


def everything(kind: str) -> Callable[[bytes], bool]:
    """Every file is wanted."""
    return lambda data: True


def nothing(kind: str) -> Callable[[bytes], bool]:
    """The text of no file is wanted."""
    return lambda data: False


@dataclass(frozen=True)
class Request:
    """What to look at."""

    targets: tuple[str, ...] = ()
    """Files and folders; none: the caches."""
    python: str | None = None
    """An interpreter or environment; None: the active one."""
    model: str | None = None
    """A model folder or hub id."""
    data: tuple[str, ...] = ()
    """Data files, and folders of them."""
    max_length: int | None = None
    """Tokens that a row of training may have; None: what the model says."""
    system: str | None = None
    """The system prompt of rows that have none of their own."""
    directory: str = field(default_factory=os.getcwd)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    wanted: Callable[[str], Callable[[bytes], bool]] = everything
    """For a kind of source, whether a file with these bytes is one whose text is kept."""
    caches: bool = True
    """Whether the caches are read where no target, data set or model is named."""
    probe: bool = False
    """Whether torch and what is compiled for it are imported as well, each in a child process."""


def scan(request: Request) -> Facts:
    """Look at everything asked for; nothing is imported, run or written, unless `probe` asks for it.

    What cannot be read is in `Facts.skipped`.  Raises ValueError where the request itself names something that is
    not there: an environment, a target, a model.
    """
    skipped: list[Skip] = []
    python = interpreter.locate(request.python, request.environment, request.directory, skipped)
    installed, duplicates = packages.read(python, skipped)
    transformers = installed.get("transformers")
    legacy = transformers is not None and transformers.version.startswith(("3.", "4."))
    places = caches.locate(request.environment, request.directory, legacy)
    targets = _targets(request)
    reader = _read(request, targets, places, skipped)
    sources = link(reader, places, request.directory)
    places = seen(sources, places)
    data = _data(request, reader, places, installed, skipped)
    seen_here = machine.look(request.environment, places.hub)
    return Facts(
        python=python,
        packages=installed,
        duplicates=duplicates,
        machine=seen_here,
        probes=_probes(request, python, installed),
        binaries=binaries.read(installed, gpu=seen_here.backend == "cuda"),
        variables=variables.read(request.environment),
        sources=sources,
        models=tuple(reader.models.values()),
        data=data,
        launches=tuple(reader.launches.values()),
        exports=tuple(export for exports in reader.exports.values() for export in exports),
        project=_modules(request.directory, skipped),
        directory=request.directory,
        skipped=tuple(dict.fromkeys(skipped)),
        modules_cache=places.modules,
        hub_cache=places.hub,
        targets=targets,
        model=None if request.model is None else _model(request.model, request.directory, places),
    )


def _probes(request: Request, python: Python, installed: Mapping[str, Package]) -> tuple[Probe, ...]:
    if not request.probe:
        return ()
    from doctor.scan import probe

    return tuple(probe.run(python, installed, request.environment))


def _targets(request: Request) -> tuple[str, ...]:
    targets = tuple(_absolute(target, request.directory) for target in request.targets)
    if missing := [target for target in targets if not os.path.lexists(target)]:
        raise ValueError(f"{missing[0]} does not exist: give a file or a folder that does")
    return targets


def _read(request: Request, targets: tuple[str, ...], places: caches.Caches, skipped: list[Skip]) -> Reader:
    reader = Reader(request.wanted, skipped)
    if request.model is not None:
        reader.folder(_model(request.model, request.directory, places), headers=True)
    for target in targets:
        reader.target(target)
    if not targets and not request.data and request.model is None and request.caches:
        for folder in (join(places.modules, caches.DYNAMIC), places.hub):
            if os.path.lexists(folder):
                reader.folder(folder)
        default = join(dirname(places.hub), "accelerate", "default_config.yaml")
        if isfile(default):
            reader.launch(default)
    return reader


def _data(
    request: Request, reader: Reader, places: caches.Caches, installed: Mapping[str, Package], skipped: list[Skip]
) -> tuple[DataFacts, ...]:
    """The data sets that were asked for, judged by the one model they can be for."""
    if not reader.data and not request.data:
        return ()
    from doctor.chat.rows import found
    from doctor.scan import dataset

    paths = list(reader.data)
    for name in request.data:
        path = _absolute(name, request.directory)
        if not os.path.lexists(path):
            raise ValueError(f"{path} does not exist: give a data file or a folder of them")
        inside = list(found(path)) if isdir(path) else [path]
        if not inside:
            raise ValueError(f"{path} holds no data: give a .jsonl, .json, .parquet or .arrow file")
        paths += inside
    models = {m.path: m for m in reader.models.values() if m.tokenizer or "tokenizer.json" in m.files}
    if request.model is not None:
        models = {m.path: m for m in [reader.models[_model(request.model, request.directory, places)]]}
    facts = Facts(packages=installed)
    reason = "name the model it is for with --model"
    if len(models) > 1:
        reason += f", one of {', '.join(sorted(map(basename, models)))}"
    only = next(iter(models.values())) if len(models) == 1 else None
    wanted = dataset.Wanted(only, request.max_length, facts.transformers, reason, request.system)
    return dataset.examine(paths, wanted, skipped)


def _absolute(path: str, directory: str) -> str:
    return abspath(join(directory, expanduser(path)))


def _model(name: str, directory: str, places: caches.Caches) -> str:
    path = _absolute(name, directory)
    if isdir(path):
        if not isfile(join(path, "config.json")):
            raise ValueError(f"{path} holds no config.json: give the folder of a model")
        return path
    folder = caches.snapshot(places.hub, name)
    if folder is None:
        raise ValueError(f"{name} is neither a folder nor in the hub cache {places.hub}: run `hf download {name}`")
    return folder


def _modules(directory: str, skipped: list[Skip]) -> tuple[str, ...]:
    """The modules and packages in a folder; one without `__init__.py` gives way to an installed package."""
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        skipped.append(Skip(directory, why(error)))
        return ()
    return tuple(name for name in names if name.endswith(".py") or isfile(join(directory, name, "__init__.py")))
