"""The nodes of a module: by type, by place, and by what is around them.  One walk serves everybody who asks."""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from operator import attrgetter
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef
_LEAVES = {"ctx", "id", "attr", "arg", "kind", "type_comment", "op", "ops", "asname", "module", "level", "is_async"}
"""Fields that hold no expression or statement."""
_LINE = attrgetter("lineno")


class _Branches(dict[type[ast.AST], tuple[str, ...]]):
    """For each type of node the fields that can hold nodes worth a visit, last first: a third of them all."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        fields = () if kind is ast.Constant else tuple(name for name in kind._fields if name not in _LEAVES)
        return self.setdefault(kind, fields[::-1])


BRANCHES = _Branches()


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, as `ast.walk`, but in the order of the file and without operators and contexts."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        for name in BRANCHES[node.__class__]:
            value = node.__dict__.get(name)
            if isinstance(value, list):
                stack += [child for child in value[::-1] if isinstance(child, ast.AST)]
            elif isinstance(value, ast.AST):
                stack.append(value)


class Nodes:
    """A syntax tree with its index, which is made when the first question comes.

    It knows nobody who knows it: a cycle would keep each tree for the garbage collector, which is switched off.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree

    @cached_property
    def _by_type(self) -> dict[type[ast.AST], list[ast.AST]]:
        by_type: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        parents: dict[ast.AST, ast.AST] = {}
        stack: list[ast.AST] = [self.tree]
        take, give, branches, AST = stack.pop, stack.append, BRANCHES, ast.AST
        while stack:  # depth first, so that each list is nearly in the order of the file
            node = take()
            kind = node.__class__
            by_type[kind].append(node)
            held = node.__dict__
            for name in branches[kind]:
                value = held.get(name)
                if value.__class__ is list:
                    for child in value[::-1]:
                        if isinstance(child, AST):
                            give(child)
                            parents[child] = node
                elif value is not None and isinstance(value, AST):
                    give(value)
                    parents[value] = node
        self._parents, self._sorted = parents, set[type[ast.AST]]()
        return by_type

    def every(self, kind: type[Node]) -> list[Node]:
        """Every node of one type, in no order."""
        found: list[Node] = self._by_type.get(kind, [])  # type: ignore[assignment]
        return found

    def nodes(self, kind: type[Node]) -> list[Node]:
        """Every node of one type, in the order of the file."""
        found = self.every(kind)
        if kind not in self._sorted and "lineno" in kind._attributes:
            self._sorted.add(kind)
            found.sort(key=_LINE)
        return found

    def within(self, around: ast.stmt, kind: type[Node]) -> list[Node]:
        """Every node of one type on the lines of a statement, in the order of the file."""
        nodes = self.nodes(kind)
        first, end = around.lineno, around.end_lineno or around.lineno
        start = bisect_left(nodes, first, key=_LINE)
        return nodes[start : bisect_right(nodes, end, start, key=_LINE)]

    @property
    def around(self) -> Mapping[ast.AST, ast.AST]:
        """The node that each is directly in."""
        self._by_type  # noqa: B018 (fills the table)
        return self._parents

    def parents(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around one, innermost first."""
        around = self.around
        while node in around:
            node = around[node]
            yield node

    def function(self, node: ast.AST) -> Function | None:
        """The innermost function around a node."""
        return next((p for p in self.parents(node) if isinstance(p, Function)), None)

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """The innermost class around a node."""
        return next((p for p in self.parents(node) if isinstance(p, ast.ClassDef)), None)
