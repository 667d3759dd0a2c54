"""One walk through a libcst tree for all patches of a file, and a search in a part of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import libcst as cst
import libcst.matchers as m

from doctor.parsing import OURS

if TYPE_CHECKING:
    from doctor.patch import File, Patch

Handler = Callable[..., Any]

_DEFINITIONS = (cst.ClassDef, cst.FunctionDef)
# fmt: off
_LEAVES = frozenset({
    cst.Name, cst.SimpleString, cst.Integer, cst.Float, cst.Dot, cst.Comma, cst.Colon, cst.Semicolon, cst.AssignEqual,
    cst.LeftParen, cst.RightParen, cst.LeftSquareBracket, cst.RightSquareBracket, cst.And, cst.Or, cst.Equal,
    cst.NotEqual, cst.Is, cst.IsNot, cst.In, cst.NotIn, cst.Add, cst.Subtract, cst.Multiply, cst.Divide,
    cst.SimpleWhitespace, cst.ParenthesizedWhitespace, cst.TrailingWhitespace, cst.EmptyLine, cst.Comment, cst.Newline,
})
# fmt: on
"""Nodes with nothing below them that a patch could want."""
_PUNCTUATION = re.compile(
    r"whitespace|lines|lpar|rpar|comma|colon|dot|equal|header|footer|bracket|brace|newline|indent|encoding"
)
"""Fields of a node that hold what is between the parts of a program."""


class _Parts(dict[type[cst.CSTNode], tuple[str, ...]]):
    """For each type of node the fields that can hold nodes which a patch could want."""

    def __missing__(self, kind: type[cst.CSTNode]) -> tuple[str, ...]:
        names = (field.name for field in fields(kind))
        return self.setdefault(kind, tuple(name for name in names if not _PUNCTUATION.search(name)))


_PARTS = _Parts()


def find(node: cst.CSTNode, matcher: m.BaseMatcherNode) -> list[cst.CSTNode]:
    """What `libcst.matchers.findall` finds among the parts of a program, several times as fast."""
    kind = getattr(cst, type(matcher).__name__, None)
    found, stack = list[cst.CSTNode](), [node]
    while stack:
        node = stack.pop()
        if (kind is None or type(node) is kind) and m.matches(node, matcher):
            found.append(node)
        stack += reversed(list(children(node)))
    return found


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The parts of a node that are more than punctuation, in the order of the file."""
    for name in _PARTS[type(node)]:
        part = getattr(node, name)
        if isinstance(part, cst.CSTNode):
            yield part
        elif isinstance(part, tuple | list):
            yield from (one for one in part if isinstance(one, cst.CSTNode))


class Chain:
    """Hands each node to every patch that asked for its type, so that the tree is walked once for all of them.

    libcst's own traversal makes every node anew; here a node stays the same unless something below it changes.
    """

    def __init__(self, file: File, patches: Sequence[Patch]) -> None:
        self.file, self.applied, self.again = file, set[str](), False
        self.visits: dict[type[cst.CSTNode], list[Handler]] = {}
        self.leaves: dict[type[cst.CSTNode], list[tuple[str, Handler]]] = {}
        for patch in patches:
            for name in dir(patch):
                verb, _, kind = name.partition("_")
                if verb == "visit":
                    self.visits.setdefault(getattr(cst, kind), []).append(getattr(patch, name))
                elif verb == "leave":
                    self.leaves.setdefault(getattr(cst, kind), []).append((patch.id(), getattr(patch, name)))

    def walk(self, node: Any) -> Any:
        """A node as the patches leave it: itself, another in its place, or several."""
        kind = type(node)
        if kind in _LEAVES and kind not in self.leaves:
            return node
        definition = kind in _DEFINITIONS
        if definition and node.name.value.startswith(OURS):
            return node
        for visit in self.visits.get(kind, ()):
            visit(node)
        if definition:
            self.file.scope.append(node)
        changes = {name: now for name in _PARTS[kind] if (now := self._part(part := getattr(node, name))) is not part}
        if definition:
            self.file.scope.pop()
        updated = node.with_changes(**changes) if changes else node
        return self._left(node, updated) if kind in self.leaves else updated

    def _part(self, part: Any) -> Any:
        """What a field of a node holds, its nodes walked."""
        if isinstance(part, cst.CSTNode):
            return self.walk(part)
        if not isinstance(part, tuple | list):
            return part
        found = [self._part(one) for one in part]
        if all(now is one for now, one in zip(found, part, strict=True)):
            return part
        several = (now if isinstance(now, cst.FlattenSentinel) else [now] for now in found)
        return [node for nodes in several for node in nodes if not isinstance(node, cst.RemovalSentinel)]

    def _left(self, original: Any, updated: Any) -> Any:
        """A node as the patches that asked for its type leave it, one after the other."""
        node, changers = updated, list[tuple[str, Handler]]()
        for name, leave in self.leaves[type(original)]:
            left = leave(original, node)
            if left is node:
                continue
            if type(left) is not type(original):
                changers.append((name, leave))  # last, because the patches behind it know the old type only
                continue
            self.applied.add(name)
            node = left
        for name, leave in changers:
            left = leave(original, node)
            if left is not node:
                self.applied.add(name)
                self.again |= len(changers) > 1
                return left
        return node
