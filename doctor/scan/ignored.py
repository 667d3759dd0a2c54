"""Which files of a project git ignores, by its `.gitignore` files; git is not run, for a repository may configure it.

Patterns as in https://git-scm.com/docs/gitignore: the last one that matches decides, `!` takes back, `/` anchors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from os.path import dirname, exists, join

from doctor.scan.files import optional_lines


@dataclass(frozen=True)
class Pattern:
    """One line of a `.gitignore`: what it matches, relative to its folder, and what follows from it."""

    matches: re.Pattern[str]
    ignores: bool
    folders_only: bool


@dataclass(frozen=True)
class Rules:
    """The patterns of a folder, behind those of the folders around it."""

    folder: str
    patterns: tuple[Pattern, ...]
    around: Rules | None = None

    def ignore(self, path: str, is_folder: bool) -> bool:
        """Whether git ignores a path below the folder, the folders above it being entered."""
        rules: Rules | None = self
        while rules is not None:
            below = path[len(rules.folder.rstrip("/")) + 1 :]
            for pattern in reversed(rules.patterns):
                if (is_folder or not pattern.folders_only) and pattern.matches.fullmatch(below):
                    return pattern.ignores
            rules = rules.around
        return False


def rules_of(folder: str, around: Rules | None = None) -> Rules | None:
    """The rules that hold in a folder, given those of the one around it."""
    found = tuple(p for line in optional_lines(join(folder, ".gitignore")) if (p := pattern(line)))
    return Rules(folder, found, around) if found else around


def rules_above(folder: str) -> Rules | None:
    """The rules that hold in a folder by those between it and the root of its repository; None outside of one."""
    above = [folder]
    while not exists(join(above[-1], ".git")):
        if dirname(above[-1]) == above[-1]:
            return None
        above.append(dirname(above[-1]))
    rules: Rules | None = None
    for each in reversed(above):
        rules = rules_of(each, rules)
    return rules


@lru_cache(maxsize=1024)
def pattern(line: str) -> Pattern | None:
    """One line as a pattern, None where it says nothing.

    >>> pattern("/build/").matches.fullmatch("build") is not None
    True
    """
    text = re.sub(r"(?<!\\)[ \t]+$", "", line)
    if not text or text.startswith("#"):
        return None
    ignores = not text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    text = text.removeprefix("/")
    return Pattern(re.compile(("" if anchored else "(?:.*/)?") + _expression(text)), ignores, folders_only)


TOKEN = re.compile(r"\*\*/|/\*\*$|\*+|\?|\[[!^]?\]?[^\]]*\]|\\.|.", re.DOTALL)


def _expression(text: str) -> str:
    parts = []
    for token in TOKEN.findall(text):
        if token == "**/":
            parts.append("(?:.*/)?")
        elif token == "/**":
            parts.append("/.*")
        elif token.startswith("*"):
            parts.append("[^/]*")
        elif token == "?":
            parts.append("[^/]")
        elif token.startswith("[") and len(token) > 2:
            parts.append("[" + re.sub(r"^[!^]", "^", token[1:-1].replace("\\", "\\\\")) + "]")
        else:
            parts.append(re.escape(token[-1]))
    return "".join(parts)
