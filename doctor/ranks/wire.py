"""The bytes between the ranks: rank 0 hears one JSON object of every other one, until all spoke or time is up.

other rank: doctor-rank RUN\\n            rank 0: doctor-hears RUN\\n
other rank: LENGTH\\n and that many bytes rank 0: doctor-heard\\n
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRWPair
from typing import Any

from doctor.ranks import Place, ending

PORTS = 8
"""How many ports after MASTER_PORT are tried."""
LARGEST = 64_000_000
"""Bytes of one answer."""
TURN = 10.0
"""Seconds that one exchange may take."""
GRACE = 10.0
"""Seconds in which the other ranks may still speak, once the launcher ends this one because a rank died."""
PAUSE = 0.2


class Listener:
    """What rank 0 has heard so far, by rank."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.heard: dict[int, dict[str, Any]] = {}
        self._changed = threading.Condition()

    def wait(self, seconds: float) -> dict[int, dict[str, Any]]:
        """The answers of the other ranks, after at most so many seconds, or GRACE once the launcher ends this one."""
        end = time.monotonic() + seconds
        with self._changed:
            while len(self.heard) < self.place.world - 1 and time.monotonic() < min(end, *_last()):
                self._changed.wait(PAUSE)
            return dict(self.heard)

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:  # closed: the report is being written
                return
            threading.Thread(target=self._hear, args=(peer,), daemon=True).start()

    def _hear(self, peer: socket.socket) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError), peer:  # not a rank of ours, or one that was killed
            peer.settimeout(TURN)
            with peer.makefile("rwb") as stream:
                if stream.readline(1000) != _hello("doctor-rank", self.place):
                    return
                _say(stream, _hello("doctor-hears", self.place))
                answer = json.loads(stream.read(min(int(stream.readline(20)), LARGEST)))
                if 0 < int(answer["rank"]) < self.place.world:
                    with self._changed:
                        self.heard[int(answer["rank"])] = answer
                        self._changed.notify()
                    _say(stream, b"doctor-heard\n")


def _last() -> tuple[float, ...]:
    return (ending.told[0] + GRACE, float("inf")) if ending.told else (float("inf"),)


@contextmanager
def listening(place: Place) -> Iterator[Listener]:
    """Rank 0 hears the others while the block runs.  Raises OSError where no port is free."""
    listener, server = Listener(place), _server(place)
    threading.Thread(target=listener._accept, args=(server,), daemon=True).start()
    try:
        yield listener
    finally:
        server.close()


def _server(place: Place) -> socket.socket:
    near = place.address in ("127.0.0.1", "localhost")
    for port in _ports(place):
        with suppress(OSError):
            if near:
                return socket.create_server(("127.0.0.1", port), backlog=1024)
            both = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if both else socket.AF_INET
            return socket.create_server(("", port), family=family, backlog=1024, dualstack_ipv6=both)
    raise OSError(f"none of the ports {place.port + 1} to {place.port + PORTS} is free")


def send(place: Place, answer: dict[str, Any], seconds: float) -> str:
    """Tell rank 0; why that failed after so many seconds, empty where it did not."""
    data, end, reason = json.dumps(answer).encode(), time.monotonic() + seconds, ""
    while True:
        for port in _ports(place):
            try:
                if _told(place, port, data):
                    return ""
            except OSError as error:
                reason = str(error.strerror or error)
        if time.monotonic() > end:
            ports = f"{place.port + 1} to {place.port + PORTS}"
            return (
                f"rank 0 does not answer on the ports {ports} of {place.address} ({reason or 'another program does'})"
            )
        time.sleep(PAUSE)


def _told(place: Place, port: int, data: bytes) -> bool:
    near = "127.0.0.1" if place.address == "localhost" else place.address
    with socket.create_connection((near, port), TURN) as peer, peer.makefile("rwb") as stream:
        _say(stream, _hello("doctor-rank", place))
        if stream.readline(1000) != _hello("doctor-hears", place):
            return False
        _say(stream, f"{len(data)}\n".encode() + data)
        return stream.readline(20) == b"doctor-heard\n"


def _say(stream: BufferedRWPair, data: bytes) -> None:
    stream.write(data)
    stream.flush()


def _hello(word: str, place: Place) -> bytes:
    return f"{word} {place.run}\n".encode()


def _ports(place: Place) -> range:
    return range(place.port + 1, min(place.port + PORTS, 65535) + 1)
