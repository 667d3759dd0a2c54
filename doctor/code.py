"""One Python source file, parsed once with `ast` for all checks that read it."""

from __future__ import annotations

import ast
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import TypeVar

from doctor.model import Location, Source

Node = TypeVar("Node", bound=ast.AST)
_IGNORE = re.compile(r"#\s*doctor:\s*ignore(?:\[([\w\-, ]*)\])?")


class Code:
    """A source and its syntax tree.

    Raises SyntaxError (Python 2, half-written), ValueError (null bytes), RecursionError or MemoryError
    (pathological nesting) from `tree`: the caller turns these into a Skip.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text or ""

    @cached_property
    def tree(self) -> ast.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in somebody's docstring are not our subject
            return ast.parse(self.text, self.source.path)

    @cached_property
    def _by_type(self) -> dict[type[ast.AST], list[ast.AST]]:
        by_type: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        self._parents: dict[ast.AST, ast.AST] = {}
        stack: list[ast.AST] = [self.tree]
        while stack:
            node = stack.pop()
            by_type[type(node)].append(node)
            for child in ast.iter_child_nodes(node):
                self._parents[child] = node
                stack.append(child)
        for nodes in by_type.values():
            nodes.sort(key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))
        return by_type

    def nodes(self, kind: type[Node]) -> list[Node]:
        """Every node of one type, in the order of the file."""
        return self._by_type.get(kind, [])  # type: ignore[return-value]

    def parents(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around one, innermost first."""
        self._by_type  # noqa: B018 (fills the table)
        while node in self._parents:
            node = self._parents[node]
            yield node

    def location(self, node: ast.AST) -> Location:
        """Where a node begins."""
        return Location(self.source.path, getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1)

    def guarded(self, node: ast.AST, *exceptions: str) -> bool:
        """Whether a node stands in a `try` body that catches one of these exceptions (or everything)."""
        for parent in self.parents(node):
            if isinstance(parent, ast.Try) and any(node is n or node in ast.walk(n) for n in parent.body):
                for handler in parent.handlers:
                    caught = ast.unparse(handler.type) if handler.type else "BaseException"
                    if any(name in caught for name in (*exceptions, "Exception")):
                        return True
        return False

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name to the dotted name it was imported from (`Cache` -> `transformers.cache_utils.Cache`)."""
        names: dict[str, str] = {}
        for plain in self.nodes(ast.Import):
            for alias in plain.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        for origin in self.nodes(ast.ImportFrom):
            prefix = "." * origin.level + (origin.module or "")
            for alias in origin.names:
                names[alias.asname or alias.name] = f"{prefix}.{alias.name}"
        return names

    def qualified(self, node: ast.expr) -> str | None:
        """The dotted name an expression refers to through the file's imports, None where it is no plain name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])

    def ignored(self, line: int | None) -> frozenset[str] | None:
        """Ids that `# doctor: ignore[ID, ...]` on a line switches off; empty means all, None means no such comment."""
        if line is None or not 0 < line <= len(self._lines):
            return None
        match = _IGNORE.search(self._lines[line - 1])
        return frozenset(filter(None, (p.strip() for p in (match[1] or "").split(",")))) if match else None

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.splitlines()
