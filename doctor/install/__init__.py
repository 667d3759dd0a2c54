"""Package remedies: what the findings ask for, what a real resolver makes of it, and how it is installed and undone.

The only part of the doctor that starts pip or uv, which ask the package index; nothing here runs unless
`doctor fix --packages` or the undo of one says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TORCH = frozenset({"torch", "torchvision", "torchaudio", "triton", "pytorch-triton", "pytorch-triton-rocm"})
"""Builds for one accelerator: never exchanged without being asked."""


@dataclass(frozen=True)
class Pin:
    """What a file of the project says of a distribution."""

    requirement: str
    """As in PEP 508, without extras: `peft<0.18`."""
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line} ({self.requirement})"


@dataclass(frozen=True)
class Move:
    """One distribution that is installed: its version before and after; None: it is not there."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """`peft 0.11.1 -> 0.21.2`, `tf-keras 2.18.0 (new)`, `quanto 0.2.0 (removed)`."""
        if self.before and self.after:
            return f"{self.name} {self.before} -> {self.after}"
        return f"{self.name} {self.after} (new)" if self.after else f"{self.name} {self.before} (removed)"

    @property
    def back(self) -> Move:
        """The way back."""
        return Move(self.name, self.after, self.before)


@dataclass(frozen=True)
class Installer:
    """The program that resolves and installs, for one interpreter."""

    name: str
    """`pip` or `uv pip`."""
    command: tuple[str, ...]
    """What comes before `install` or `uninstall`."""
    options: tuple[str, ...] = ()
    """What comes after it: for uv the interpreter."""

    def line(self, verb: str, *words: str) -> list[str]:
        """A whole command."""
        return [*self.command, verb, *self.options, *words]

    def install(self, moves: Sequence[Move], back: bool = False) -> list[str]:
        """The command that puts the moves' versions in, exactly these and nothing else; `back`: the former ones."""
        versions = [(move.name, move.before if back else move.after) for move in moves]
        # What is put back may lie there in halves, under the right version.
        force = [] if not back else ["--force-reinstall"] if self.name == "pip" else ["--reinstall"]
        return self.line(
            "install", "--no-deps", *force, *(f"{name}=={version}" for name, version in versions if version)
        )

    def uninstall(self, names: Sequence[str]) -> list[str]:
        """The command that takes distributions out."""
        return self.line("uninstall", *(["-y"] if self.name == "pip" else []), *names)


@dataclass(frozen=True)
class Installation:
    """What is installed where, and by what."""

    prefix: str
    """The environment."""
    installer: Installer
    moves: tuple[Move, ...]

    @property
    def commands(self) -> list[list[str]]:
        """What carries it out."""
        gone = [move.name for move in self.moves if move.after is None]
        come = [move for move in self.moves if move.after is not None]
        return [
            *([self.installer.uninstall(gone)] if gone else []),
            *([self.installer.install(come)] if come else []),
        ]

    @property
    def way_back(self) -> list[list[str]]:
        """What takes it back."""
        new = [move.name for move in self.moves if move.before is None]
        old = [move for move in self.moves if move.before is not None]
        return [
            *([self.installer.install(old, back=True)] if old else []),
            *([self.installer.uninstall(new)] if new else []),
        ]


def installation(kept: dict[str, Any]) -> Installation:
    """An installation out of its JSON object.  Raises KeyError, TypeError or ValueError where it is none."""
    given = kept["installer"]
    installer = Installer(given["name"], tuple(given["command"]), tuple(given["options"]))
    moves = tuple(Move(**move) for move in kept["moves"])
    texts = (kept["prefix"], *installer.command, *installer.options, *(move.name for move in moves))
    if not moves or not all(isinstance(text, str) for text in texts):
        raise ValueError("its values are not those of an installation")
    return Installation(kept["prefix"], installer, moves)
