"""Where a source file reads the type of its RoPE scaling, in whatever spelling.

`config.rope_scaling["type"]`, `.get("type")`, `getattr(config, "rope_scaling")["type"]`, through a local variable, an
attribute of self, a walrus, a copy or an `or {}`: all are reads of one dict, which transformers 5 writes anew.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from doctor.code import OURS, Code
from doctor.remembered import remembered

NAME = "rope_scaling"
COPIES = ("dict", "copy", "deepcopy")


@dataclass(frozen=True)
class Read:
    """One read of the dict; `key` is `type` or `rope_type`, `default` what `.get` gives in its absence."""

    node: ast.expr
    key: str
    default: str | None = None


class Scaling:
    """The reads of one file."""

    def __init__(self, code: Code) -> None:
        self.code = code

    @cached_property
    def reads(self) -> list[Read]:
        """Every read of `type` or `rope_type`, in the order of the file."""
        found = [self._subscript(node) for node in self.code.nodes(ast.Subscript)]
        found += [self._call(node) for node in self.code.nodes(ast.Call)]
        ours = [read for read in found if read and not self.code.ours(read.node)]
        return sorted(ours, key=lambda read: (read.node.lineno, read.node.col_offset))

    def _subscript(self, node: ast.Subscript) -> Read | None:
        key = _text(node.slice)
        if key not in ("type", "rope_type") or not isinstance(node.ctx, ast.Load) or not self._is_scaling(node.value):
            return None
        return Read(node, key)

    def _call(self, node: ast.Call) -> Read | None:
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("get", "pop") or not node.args:
            return None
        key = _text(node.args[0])
        if key not in ("type", "rope_type") or not self._is_scaling(node.func.value):
            return None
        return Read(node, key, _text(node.args[1]) if len(node.args) > 1 else None)

    def _is_scaling(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name | ast.Attribute):
            return self._named(node)
        if isinstance(node, ast.NamedExpr):
            return self._is_scaling(node.value)
        if isinstance(node, ast.Subscript):
            return _text(node.slice) == NAME
        if isinstance(node, ast.BoolOp):
            return any(self._is_scaling(value) for value in node.values)
        if isinstance(node, ast.IfExp):
            return self._is_scaling(node.body) or self._is_scaling(node.orelse)
        return isinstance(node, ast.Call) and self._called(node)

    def _named(self, node: ast.Name | ast.Attribute) -> bool:
        text = _dotted(node)
        if text in self._mended:
            return False
        if text in self._aliases:
            return True
        return (node.id if isinstance(node, ast.Name) else node.attr) == NAME

    def _called(self, node: ast.Call) -> bool:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("getattr", "get", "pop"):
            return any(_text(argument) == NAME for argument in node.args)
        if name in COPIES:
            inner = node.args[0] if node.args else getattr(node.func, "value", None)
            return inner is not None and self._is_scaling(inner)
        return False

    @cached_property
    def _bindings(self) -> list[tuple[str, ast.expr]]:
        """Text of what is bound, and its value, for every assignment of one value."""
        assigned = [(target, node.value) for node in self.code.nodes(ast.Assign) for target in node.targets]
        annotated = [(node.target, node.value) for node in self.code.nodes(ast.AnnAssign) if node.value]
        walrus = [(node.target, node.value) for node in self.code.nodes(ast.NamedExpr)]
        bound = [*assigned, *annotated, *walrus]
        return [(_dotted(target), value) for target, value in bound if isinstance(target, ast.Name | ast.Attribute)]

    @cached_property
    def _mended(self) -> frozenset[str]:
        """Names that hold what one of our own functions answered."""
        if OURS not in self.code.text:
            return frozenset()
        return frozenset(target for target, value in self._bindings if OURS in ast.unparse(value))

    @cached_property
    def _aliases(self) -> frozenset[str]:
        """Other names of the dict: what is bound to it, or to another name of it."""
        self._aliases = found = frozenset[str]()
        for _ in range(2):
            self._aliases = found = frozenset(target for target, value in self._bindings if self._is_scaling(value))
        return found

    def paired(self, read: Read) -> bool:
        """Whether the other key is read, or asked for, in the same function: then both spellings are understood."""
        other = "type" if read.key == "rope_type" else "rope_type"
        scope: ast.AST | None = self.code.function(read.node)
        if scope is None:
            scope = read.node
            for parent in self.code.parents(read.node):
                if not isinstance(parent, ast.expr):
                    break
                scope = parent
        return any(isinstance(n, ast.Constant) and n.value == other for n in ast.walk(scope))

    def can_be_default(self, read: Read, plain: bool) -> bool:
        """Whether a read may answer `default`; `plain`: config.json says it."""
        return plain or read.key == "rope_type" or self.paired(read) or read.default == "default"

    def asked(self, read: Read) -> bool:
        """Whether the read stands under `if "type" in ...` or catches its KeyError."""
        if self.code.guarded(read.node, "KeyError", "LookupError"):
            return True
        tests = [parent.test for parent in self.code.parents(read.node) if isinstance(parent, ast.If | ast.IfExp)]
        return any(_asks(test, read.key) for test in tests)

    def in_config(self, read: Read) -> bool:
        """Whether the read is in a configuration class, which transformers 5 gives what config.json says."""
        around = self.code.class_of(read.node)
        return around is not None and any("Config" in ast.unparse(base) for base in around.bases)


@remembered(1)
def scaling_of(code: Code) -> Scaling:
    """The reads of a file, gathered once for the checks that follow each other on it."""
    return Scaling(code)


def _dotted(node: ast.expr) -> str:
    """The text of a name with its attributes; of anything else only what tells it apart."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else f"<{id(node)}>")
    return ".".join(reversed(parts))


def _asks(test: ast.expr, key: str) -> bool:
    compares = (node for node in ast.walk(test) if isinstance(node, ast.Compare))
    return any(_text(c.left) == key and isinstance(c.ops[0], ast.In | ast.NotIn) for c in compares)


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def written(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The RoPE dict of a config.json under its old or new name; empty where it has none."""
    for name in (NAME, "rope_parameters"):
        value = config.get(name)
        if isinstance(value, Mapping):
            return value
    return {}
