"""One Python source file, parsed once with `ast` for all checks that read it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from operator import attrgetter

from doctor.classes import Classes
from doctor.model import Location, Source
from doctor.nodes import Function as Function
from doctor.nodes import Node, Nodes
from doctor.notebook import Notebook, notebook_of
from doctor.parsing import OURS as OURS
from doctor.parsing import split, tree_of, walked

_VERSION_TEST = re.compile(
    r"version|TYPE_CHECKING|greater_or_equal|(?:transformers|trl|peft)_?(?:v?\d|[gl][te](?:_|\b))", re.IGNORECASE
)
"""A test of a release, by the words of the test or by the name that its answer was given."""
_NAMED: dict[type[ast.AST], attrgetter[str]] = {
    ast.Name: attrgetter("id"),
    ast.Attribute: attrgetter("attr"),
    ast.FunctionDef: attrgetter("name"),
    ast.ClassDef: attrgetter("name"),
    ast.alias: attrgetter("name"),
}
"""What names something, and where the name is."""
_IGNORE = re.compile(r"#\s*doctor:\s*ignore(?:\[([\w\-, ]*)\])?")


class Code:
    """A source and its syntax tree; of a notebook, that of its cells.  Raises ValueError where that is no notebook.

    Raises SyntaxError (Python 2, half-written), ValueError (null bytes), RecursionError or MemoryError
    (pathological nesting) from `tree`: the caller turns these into a Skip.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = (source.text or "").removeprefix("\ufeff")  # a byte order mark is no part of the program
        self.notebook: Notebook | None = None
        if source.kind == "notebook":
            self.notebook = notebook_of(self.text)
            self.text = self.notebook.code

    @cached_property
    def tree(self) -> ast.Module:
        try:
            return tree_of(self.text)
        except SyntaxError as error:
            error.filename = self.source.path
            raise

    @cached_property
    def index(self) -> Nodes:
        """The nodes of the tree, found by type and place."""
        return walked(self.text)

    def every(self, kind: type[Node]) -> list[Node]:
        """Every node of one type, in no order."""
        return self.index.every(kind)

    def nodes(self, kind: type[Node]) -> list[Node]:
        """Every node of one type, in the order of the file."""
        return self.index.nodes(kind)

    def within(self, around: ast.stmt, kind: type[Node]) -> list[Node]:
        """Every node of one type on the lines of a statement, in the order of the file."""
        return self.index.within(around, kind)

    def parents(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around one, innermost first."""
        return self.index.parents(node)

    def function(self, node: ast.AST) -> Function | None:
        """The innermost function around a node."""
        return self.index.function(node)

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """The innermost class around a node."""
        return self.index.class_of(node)

    def lines(self) -> list[str]:
        """The lines, without their ends."""
        return self._lines

    def location(self, node: ast.AST) -> Location:
        """Where a node begins; the column counts characters, as editors do."""
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        column = len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore"))
        if self.notebook is None:
            return Location(self.source.path, line, column + 1)
        cell, line = self.notebook.place(line)
        return Location(self.source.path, line, column + 1, cell)

    def ours(self, node: ast.AST) -> bool:
        """Whether a node is inside something that a patch put into the file."""
        names = (getattr(p, "name", "") for p in (node, *self.parents(node)) if isinstance(p, Function | ast.ClassDef))
        return any(name.startswith(OURS) for name in names)

    def guarded(self, node: ast.AST, *exceptions: str) -> bool:
        """Whether a node stands in a `try` body that catches one of these exceptions (or everything)."""
        child = node
        for parent in self.parents(node):
            if isinstance(parent, ast.Try) and child in parent.body:
                for handler in parent.handlers:
                    caught = ast.unparse(handler.type) if handler.type else "BaseException"
                    if any(name in caught for name in (*exceptions, "Exception")):
                        return True
            child = parent
        return False

    def tested(self, node: ast.AST, name: str = "") -> bool:
        """Whether a node stands under a test of the release, or of `hasattr(..., name)`.

        The `else` of such a test, and what follows the test behind `and`, count as well.
        """
        child = node
        for parent in self.parents(node):
            tests: list[ast.expr] = []
            if isinstance(parent, ast.If | ast.IfExp | ast.While) and child is not parent.test:
                tests = [parent.test]
            elif isinstance(parent, ast.BoolOp) and child in parent.values:
                tests = parent.values[: parent.values.index(child)]
            for test in tests:
                text = ast.unparse(test)
                if _VERSION_TEST.search(text) or (name and "attr(" in text and repr(name) in text):
                    return True
                if any(isinstance(each, ast.Name) and each.id in self._release_tests for each in ast.walk(test)):
                    return True
            child = parent
        return False

    @cached_property
    def _release_tests(self) -> frozenset[str]:
        """Names that hold the answer of a comparison of releases: `new_cache = version.parse(...) >= ...`."""
        return frozenset(
            target.id
            for assign in self.every(ast.Assign)
            if isinstance(assign.value, ast.Compare | ast.BoolOp | ast.UnaryOp)
            and _VERSION_TEST.search(ast.unparse(assign.value))
            for target in assign.targets
            if isinstance(target, ast.Name)
        )

    @cached_property
    def classes(self) -> Classes:
        """The classes of the file's top level."""
        return Classes(self.index)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name, attribute and definition of the file, outside what patches put there."""
        theirs = [(name, self.every(kind)) for kind, name in _NAMED.items()]
        if OURS in self.text:
            theirs = [(name, [node for node in nodes if not self.ours(node)]) for name, nodes in theirs]
        return frozenset(chain.from_iterable(map(name, nodes) for name, nodes in theirs))

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

    def ignored(self, where: Location | None) -> frozenset[str] | None:
        """Ids that `# doctor: ignore[ID, ...]` on a line switches off; empty means all, None means no such comment."""
        line = where.line if where else None
        if line is not None and where and where.cell is not None and self.notebook is not None:
            line = self.notebook.line(where.cell, line)
        if line is None or not 0 < line <= len(self._lines):
            return None
        match = _IGNORE.search(self._lines[line - 1])
        return frozenset(filter(None, (p.strip() for p in (match[1] or "").split(",")))) if match else None

    @cached_property
    def _lines(self) -> list[str]:
        return split(self.text)  # str.splitlines also ends lines at form feeds; Python's parser does not
