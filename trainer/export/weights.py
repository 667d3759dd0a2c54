"""The tensors of a model folder, read one at a time, and safetensors files written the same way: memory holds one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from doctor.settings import UsageError

if TYPE_CHECKING:
    from torch import Tensor

SHARD = 4 << 30
"""Bytes of one file, from which on the next one is begun."""
WIDTH = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
"""Bytes of one number, by safetensors' name of its type."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: `kind` is safetensors' name of its type."""

    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return WIDTH[self.kind] * prod(self.shape)


class Weights:
    """The tensors of a folder, or of one file, by name.  A context: the files are open within it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        self._files: dict[str, Any] = {}
        self._open = ExitStack()

    def __enter__(self) -> Weights:
        from safetensors import SafetensorError, safe_open

        for file in self._found():
            try:
                opened = self._open.enter_context(safe_open(file, framework="pt"))
            except (SafetensorError, OSError) as error:
                raise UsageError(f"{file} cannot be read: {error}") from error
            for name in opened.keys():  # noqa: SIM118, safetensors gives no iterator
                part = opened.get_slice(name)
                self.entries[name] = Entry(name, part.get_dtype(), tuple(part.get_shape()))
                self._files[name] = opened
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.close()

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def read(self, name: str) -> Tensor:
        """The tensor, as it is stored, on the CPU."""
        found: Tensor = self._files[name].get_tensor(name)
        return found

    def _found(self) -> Sequence[Path]:
        if self.path.is_file():
            return [self.path]
        index = self.path / "model.safetensors.index.json"
        if not index.is_file():
            whole = self.path / "model.safetensors"
            if not whole.is_file():
                raise UsageError(
                    f"{self.path} holds no model.safetensors and no index of several; weights of another form (.bin, "
                    ".pt) are written as safetensors by `model.save_pretrained(FOLDER)`"
                )
            return [whole]
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        if missing := [name for name in names if not (self.path / name).is_file()]:
            raise UsageError(f"{self.path} lacks {missing[0]}, which its model.safetensors.index.json names")
        return [self.path / name for name in names]


def write(folder: Path, entries: Sequence[Entry], read: Callable[[str], Tensor], shard: int = SHARD) -> None:
    """Write tensors as `model.safetensors`, or as several files and their index; `read` is asked for one at a time."""
    files = _split(entries, shard)
    total = sum(entry.size for entry in entries)
    for number, part in enumerate(files, 1):
        name = "model.safetensors" if len(files) == 1 else f"model-{number:05}-of-{len(files):05}.safetensors"
        with (folder / name).open("wb") as file:
            _write_file(file, part, read)
    if len(files) > 1:
        where = {
            entry.name: f"model-{number:05}-of-{len(files):05}.safetensors"
            for number, part in enumerate(files, 1)
            for entry in part
        }
        index = {"metadata": {"total_size": total}, "weight_map": where}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def _split(entries: Sequence[Entry], shard: int) -> list[list[Entry]]:
    files: list[list[Entry]] = [[]]
    for entry in entries:
        if files[-1] and sum(one.size for one in files[-1]) + entry.size > shard:
            files.append([])
        files[-1].append(entry)
    return files


def _write_file(file: BinaryIO, entries: Sequence[Entry], read: Callable[[str], Tensor]) -> None:
    # transformers 4.47 refuses a file whose header does not say which framework it is of.
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    header |= {entry.name: _described(entry, start) for entry, start in _placed(entries)}
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for entry in entries:
        file.write(raw(read(entry.name), entry))


def _placed(entries: Sequence[Entry]) -> Iterator[tuple[Entry, int]]:
    start = 0
    for entry in entries:
        yield entry, start
        start += entry.size


def _described(entry: Entry, start: int) -> Mapping[str, Any]:
    return {"dtype": entry.kind, "shape": list(entry.shape), "data_offsets": [start, start + entry.size]}


def raw(tensor: Tensor, entry: Entry) -> memoryview:
    """The bytes of a tensor; raises ValueError where they are not those that the header announced."""
    import torch

    found = memoryview(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    if tuple(tensor.shape) != entry.shape or found.nbytes != entry.size:
        raise ValueError(f"{entry.name} has the shape {tuple(tensor.shape)}, and {entry.shape} was announced")
    return found
