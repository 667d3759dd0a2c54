"""Model folders: the JSON files and the headers of safetensors; no tensor is read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from os.path import basename, isfile, join
from typing import Any

from doctor.model import ModelFacts, Skip
from doctor.scan.files import JSON_LIMIT, Unreadable, names, parse_object, read_bytes, read_object, why

HEADER_LIMIT = 100_000_000
"""Bytes; the limit that safetensors itself sets."""

Tensors = dict[str, tuple[str, tuple[int, ...]]]


def read_model(
    folder: str,
    skipped: list[Skip],
    *,
    headers: bool = False,
    repository: str | None = None,
    revision: str | None = None,
) -> ModelFacts | None:
    """The model in a folder, None where its config.json is not there or not a model's."""
    config = _object(folder, "config.json", skipped)
    if not {"model_type", "architectures", "auto_map"} & config.keys():
        return None
    try:
        files = tuple(sorted(os.listdir(folder)))
    except OSError as error:
        skipped.append(Skip(folder, why(error)))
        return None
    tensors, metadata = _weights(folder, files, skipped) if headers else ({}, {})
    return ModelFacts(
        folder,
        config=config,
        tokenizer=_object(folder, "tokenizer_config.json", skipped),
        generation=_object(folder, "generation_config.json", skipped),
        tensors=tensors,
        files=files,
        repository=repository,
        revision=revision,
        weights_metadata=metadata,
        special_tokens=_object(folder, "special_tokens_map.json", skipped),
        templates=_templates(folder, files, skipped),
        **(_backend(folder, files) if headers else {}),
    )


def remote_code(model: ModelFacts) -> bool:
    """Whether a model brings code of its own."""
    return bool(model.config.get("auto_map") or model.tokenizer.get("auto_map"))


def code_repositories(model: ModelFacts) -> set[str]:
    """The other hub repositories whose code a model uses (`org/name--module.Class` in its auto_map)."""
    found: set[str] = set()
    for table in (model.config.get("auto_map"), model.tokenizer.get("auto_map")):
        for value in table.values() if isinstance(table, dict) else ():
            parts = value if isinstance(value, list) else [value]
            found |= {part.partition("--")[0] for part in parts if isinstance(part, str) and "--" in part}
    return found


def _object(folder: str, name: str, skipped: list[Skip]) -> Mapping[str, Any]:
    path = join(folder, name)
    if not os.path.lexists(path):
        return {}
    try:
        return read_object(path)
    except Unreadable as error:
        skipped.append(Skip(path, str(error)))
        return {}


def _templates(folder: str, files: tuple[str, ...], skipped: list[Skip]) -> dict[str, str]:
    """The chat templates that have files of their own; they replace those of tokenizer_config.json."""
    found: dict[str, str] = {}
    if "chat_template.json" in files:
        template = _object(folder, "chat_template.json", skipped).get("chat_template")
        if isinstance(template, str):
            found["default"] = template
    extra = names(join(folder, "additional_chat_templates")) if "additional_chat_templates" in files else []
    named = [("default", "chat_template.jinja")] if "chat_template.jinja" in files else []
    named += [(n[: -len(".jinja")], join("additional_chat_templates", n)) for n in extra if n.endswith(".jinja")]
    for name, path in named:
        try:
            found[name] = read_bytes(join(folder, path)).decode("utf-8")
        except (Unreadable, UnicodeDecodeError) as error:
            skipped.append(Skip(join(folder, path), str(error)))
    return found


def _backend(folder: str, files: tuple[str, ...]) -> dict[str, Any]:
    """The special tokens and the post-processor of tokenizer.json, which come before its long vocabulary."""
    if "tokenizer.json" not in files:
        return {}
    try:
        text = read_bytes(join(folder, "tokenizer.json"), JSON_LIMIT).decode("utf-8", "replace")
    except Unreadable:
        return {}
    added, processor = _part(text, "added_tokens"), _part(text, "post_processor")
    special = [t["content"] for t in added or () if isinstance(t, dict) and t.get("special") and "content" in t]
    return {
        "added_tokens": tuple(token for token in special if isinstance(token, str)),
        "post_processor": processor if isinstance(processor, dict) else {},
    }


def _part(text: str, key: str) -> Any:
    """The value of one key of a JSON object, the rest of it not decoded."""
    import json

    start = re.search(rf'"{key}"\s*:\s*', text)
    if start is None:
        return None
    try:
        return json.JSONDecoder().raw_decode(text, start.end())[0]
    except (ValueError, RecursionError):
        return None


def _weights(folder: str, files: tuple[str, ...], skipped: list[Skip]) -> tuple[Tensors, dict[str, str]]:
    tensors: Tensors = {}
    metadata: dict[str, str] = {}
    for name in _shards(folder, files, skipped):
        try:
            found, notes = read_header(join(folder, name))
        except Unreadable as error:
            skipped.append(Skip(join(folder, name), str(error)))
        else:
            tensors |= found
            metadata |= notes
    return tensors, metadata


def _shards(folder: str, files: tuple[str, ...], skipped: list[Skip]) -> list[str]:
    """The safetensors files that make up the model, by its index where it has one."""
    if "model.safetensors.index.json" in files:
        table = _object(folder, "model.safetensors.index.json", skipped).get("weight_map")
        if isinstance(table, dict):
            names = {name for name in table.values() if isinstance(name, str)}
            return sorted(name for name in names if basename(name) == name)
    for name in ("model.safetensors", "adapter_model.safetensors"):
        if name in files:
            return [name]
    return [name for name in files if name.endswith(".safetensors")]


def read_header(path: str) -> tuple[Tensors, dict[str, str]]:
    """Name to (dtype, shape) of one safetensors file, and its metadata."""
    if not isfile(path):
        raise Unreadable("is named by the index but is not there")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, HEADER_LIMIT):
                raise Unreadable(f"is {size} bytes long, but its header claims {length}: it is damaged or half-written")
            header = dict(parse_object(file.read(length)))
    except OSError as error:
        raise Unreadable(why(error)) from error
    notes = header.pop("__metadata__", {})
    tensors = {name: _tensor(name, entry) for name, entry in header.items()}
    end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if end > size:
        raise Unreadable(f"ends at byte {size}, its header needs {end}: it is half-written")
    return tensors, {k: v for k, v in notes.items() if isinstance(v, str)} if isinstance(notes, dict) else {}


def _tensor(name: str, entry: Any) -> tuple[str, tuple[int, ...]]:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(), int()]} if all(
            isinstance(n, int) for n in shape
        ):
            return dtype, tuple(shape)
    raise Unreadable(f"has no dtype, shape and offsets for {name!r} in its header")
