"""Which of many readers, checks or patches, a file is worth parsing for, by the bytes they look for in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from doctor.needles import groups


class Readers:
    """The needles of each reader, by its id: a file is read only if it holds one of them."""

    def __init__(self, needles: Mapping[str, Sequence[bytes]]) -> None:
        asking: dict[bytes, set[str]] = defaultdict(set)
        for reader, wanted in needles.items():
            for needle in wanted:
                asking[needle].add(reader)
        place = {needle: at for at, needle in enumerate(asking)}  # whoever looks for many names the commonest first
        found = sorted(groups(asking), key=lambda group: (-len(group[1]), min(map(place.__getitem__, group[1]))))
        self._groups = [
            (stem, set[str]().union(*map(asking.__getitem__, group)), [(needle, asking[needle]) for needle in group])
            for stem, group in found
        ]

    def interested(self, data: bytes) -> Iterator[str]:
        """The readers one of whose needles is there, each once; for them no other needle is searched for."""
        seen: set[str] = set()
        for stem, readers, needles in self._groups:
            if not readers <= seen and stem in data:
                for needle, asking in needles:
                    if not asking <= seen and needle in data:
                        yield from asking - seen
                        seen |= asking
