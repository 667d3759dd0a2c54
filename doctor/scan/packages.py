"""The distributions of an interpreter, from the metadata folders on its path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from os.path import basename, isdir, isfile, join

from doctor.model import Package, Python, Skip, normalise
from doctor.scan.files import Unreadable, read_bytes, read_object, why

HEADER_LIMIT = 20_000_000


def read(python: Python, skipped: list[Skip]) -> tuple[dict[str, Package], dict[str, tuple[Package, ...]]]:
    """Each distribution as it is imported, and those of which several versions are on the path, all copies."""
    copies: dict[str, list[Package]] = {}
    for folder in python.paths:
        # Of two versions in one folder, the files are those of the one installed last.
        for _, package in sorted(_distributions(folder, skipped), key=lambda dated: -dated[0]):
            copies.setdefault(package.name, []).append(package)
    found = {name: _installed(copies[name]) for name in sorted(copies)}
    several = {name: tuple(group) for name, group in found.items() if len({p.version for p in group}) > 1}
    return {name: group[0] for name, group in found.items()}, several


def _installed(group: list[Package]) -> list[Package]:
    """The copies, less the egg-info that setuptools leaves in the source folder of an editable install."""
    kept = [p for p in group if not any(p is not q and q.editable and _inside(p.path, q.editable) for q in group)]
    return kept or group[:1]


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep) and path.endswith(".egg-info")


def _distributions(folder: str, skipped: list[Skip]) -> Iterator[tuple[float, Package]]:
    """The distributions of one folder, each with the time of its installation."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        skipped.append(Skip(folder, why(error)))
        return
    for name in names:
        if not name.endswith((".dist-info", ".egg-info", "EGG-INFO")):
            continue
        path = join(folder, name)
        if name.startswith(("~", "-")):
            skipped.append(Skip(path, "is left over from an interrupted pip, which renames what it removes: delete it"))
            continue
        try:
            yield os.stat(path).st_mtime, _distribution(path, skipped)
        except Unreadable as error:
            skipped.append(Skip(path, str(error)))
        except OSError as error:
            skipped.append(Skip(path, why(error)))


def _distribution(path: str, skipped: list[Skip]) -> Package:
    new = path.endswith(".dist-info")
    file = path if isfile(path) else join(path, "METADATA" if new else "PKG-INFO")
    if not os.path.lexists(file):
        raise Unreadable(f"holds no {basename(file)}: the distribution was not counted")
    try:
        header = _header(read_bytes(file, HEADER_LIMIT))
    except Unreadable as error:
        raise Unreadable(f"{basename(file)} {error}: the distribution was not counted") from error
    named, _, dashed = basename(path).rpartition(".")[0].partition("-")
    name = next(iter(header.get("name", ())), named)
    version = next(iter(header.get("version", ())), dashed.partition("-")[0])
    if not name or not version:
        raise Unreadable(f"{basename(file)} gives no name and version: the distribution was not counted")
    requires = header.get("requires-dist") or ([] if new or path == file else _requires(join(path, "requires.txt")))
    return Package(normalise(name), version, path, tuple(requires), _editable(path, new, skipped))


def _header(data: bytes) -> dict[str, list[str]]:
    """The fields of a METADATA file that are used, up to the blank line before the long description."""
    fields: dict[str, list[str]] = {}
    for line in data.splitlines():
        if not line:
            break
        if line.startswith((b"Name:", b"Version:", b"Requires-Dist:", b"name:", b"version:")):
            key, _, value = line.decode("utf-8", "replace").partition(":")
            fields.setdefault(key.lower(), []).append(value.strip())
    if not fields:
        raise Unreadable("is empty" if not data.strip() else "holds no metadata")
    return fields


def _requires(path: str) -> list[str]:
    """The Requires-Dist lines that an egg-info's requires.txt stands for."""
    if not isfile(path):
        return []
    lines, condition = [], ""
    for line in read_bytes(path).decode("utf-8", "replace").splitlines():
        line = line.strip()
        if line.startswith("["):
            extra, _, marker = line.strip("[]").partition(":")
            parts = [f"({marker})"] * bool(marker) + [f'extra == "{extra}"'] * bool(extra)
            condition = "; " + " and ".join(parts) if parts else ""
        elif line and not line.startswith("#"):
            lines.append(line + condition)
    return lines


def _editable(path: str, new: bool, skipped: list[Skip]) -> str | None:
    """The source folder of an editable install: pip's direct_url.json, or an egg-info that lies among the sources."""
    folder = os.path.dirname(path)
    if not new:
        return None if folder.endswith(("-packages", ".egg")) else folder
    record = join(path, "direct_url.json")
    if not isfile(record):
        return None
    try:
        origin = read_object(record)
    except Unreadable as error:
        skipped.append(Skip(record, str(error)))
        return None
    details, url = origin.get("dir_info"), origin.get("url")
    if not (isinstance(details, dict) and details.get("editable") and isinstance(url, str)):
        return None
    from urllib.parse import unquote, urlsplit

    source = unquote(urlsplit(url).path)
    return source.lstrip("/") if isdir(source.lstrip("/")) and os.name == "nt" else source
