"""What a compiled library of Linux asks of others and offers them, read from its dynamic symbols; nothing is loaded."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import NamedTuple

LOAD, DYNAMIC = 1, 2
STRTAB, SYMTAB, GNU_HASH = 5, 6, 0x6FFFFEF5
GLOBAL = 1


class NotElf(Exception):
    """Not a 64-bit little-endian library with a GNU hash table, or a damaged one."""


class Symbol(NamedTuple):
    """The fields of an entry that are used."""

    name: int
    info: int
    section: int


class Library:
    """One library, mapped; a context manager."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            try:
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:  # an empty file
                raise NotElf(path) from error
        try:
            self._open()
        except (struct.error, KeyError, StopIteration) as error:
            self.data.close()
            raise NotElf(path) from error

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.data.close()

    def _open(self) -> None:
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise KeyError
        (offset,) = struct.unpack_from("<Q", self.data, 32)
        size, count = struct.unpack_from("<HH", self.data, 54)
        headers = [struct.unpack_from("<IIQQQQ", self.data, offset + i * size) for i in range(count)]
        self.segments = [(address, place, length) for kind, _, place, address, _, length in headers if kind == LOAD]
        (place, length) = next((place, length) for kind, _, place, _, _, length in headers if kind == DYNAMIC)
        entries = dict(struct.unpack_from("<qQ", self.data, at) for at in range(place, place + length, 16))
        self.strings, self.symbols, table = (self._place(entries[tag]) for tag in (STRTAB, SYMTAB, GNU_HASH))
        self.buckets, self.first, self.words, self.shift = struct.unpack_from("<IIII", self.data, table)
        self.bloom = table + 16
        self.bucket = self.bloom + 8 * self.words
        self.chain = self.bucket + 4 * self.buckets

    def _place(self, address: int) -> int:
        """Where an address of the loaded library is in the file."""
        inside = ((start, place) for start, place, length in self.segments if start <= address < start + length)
        start, place = next(inside)
        return int(place + address - start)

    def _symbol(self, index: int) -> Symbol:
        name, info, _, section = struct.unpack_from("<IBBH", self.data, self.symbols + 24 * index)
        return Symbol(name, info, section)

    def _name(self, symbol: Symbol) -> bytes:
        start = self.strings + symbol.name
        return self.data[start : self.data.find(b"\0", start)]

    def needs(self, pattern: re.Pattern[bytes]) -> Iterator[bytes]:
        """The names that match and that other libraries must define."""
        # What a library does not define comes before everything in its hash table.
        for index in range(1, self.first):
            symbol = self._symbol(index)
            if symbol.section == 0 and symbol.info >> 4 == GLOBAL and pattern.match(name := self._name(symbol)):
                yield name

    def defines(self, name: bytes) -> bool:
        """Whether the library defines a name: a look into its hash table, however long its symbol table is."""
        hashed = 5381
        for byte in name:
            hashed = (hashed * 33 + byte) & 0xFFFFFFFF
        (word,) = struct.unpack_from("<Q", self.data, self.bloom + 8 * (hashed // 64 % self.words))
        if not (word >> (hashed % 64)) & (word >> ((hashed >> self.shift) % 64)) & 1:
            return False
        (index,) = struct.unpack_from("<I", self.data, self.bucket + 4 * (hashed % self.buckets))
        while index >= self.first:
            (other,) = struct.unpack_from("<I", self.data, self.chain + 4 * (index - self.first))
            if other | 1 == hashed | 1 and self._name(symbol := self._symbol(index)) == name and symbol.section:
                return True
            if other & 1:
                return False
            index += 1
        return False


def unmet(files: Sequence[str], definers: Sequence[str], pattern: re.Pattern[bytes]) -> dict[str, str]:
    """File to the first name that matches, that it needs, and that none of the definers has.

    What is no library that can be read is left out.
    """
    found: dict[str, str] = {}
    with ExitStack() as stack:
        having: list[Library] = []
        for path in definers:
            with suppress(NotElf, OSError):
                having.append(stack.enter_context(Library(path)))
        for file in files if having else ():
            with suppress(NotElf, OSError), Library(file) as library:
                for name in library.needs(pattern):
                    if not any(each.defines(name) for each in having):
                        found[file] = name.decode()
                        break
    return found
