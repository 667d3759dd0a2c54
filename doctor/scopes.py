"""The names of a module as its syntax has them: dotted names, scopes, what is imported and assigned."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

from doctor.nodes import BRANCHES

Scope = tuple[str, ...]
"""The names of the definitions around a node, outermost first."""
_DEFINITIONS = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef})


def dotted(node: ast.AST | None) -> str | None:
    """`a.b.c` of an expression, None where it is anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and not parts:
        return node.value if re.fullmatch(r"[\w.]+", node.value) else None  # an annotation as text
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def namespace(value: ast.expr) -> str | None:
    """The variable behind `vars(x)`, `asdict(x)`, `x.__dict__` (or the class behind `asdict(X())`)."""
    if isinstance(value, ast.Attribute) and value.attr == "__dict__":
        return dotted(value.value)
    named = (dotted(value.func) or "").rpartition(".")[2] if isinstance(value, ast.Call) else ""
    if isinstance(value, ast.Call) and named in ("vars", "asdict") and value.args:
        inner = value.args[0]
        return dotted(inner.func) if isinstance(inner, ast.Call) else dotted(inner)
    return None


def variable(node: ast.expr) -> str | None:
    """The name of a variable, or of an attribute of `self`; None where an expression is neither."""
    text = dotted(node) if isinstance(node, ast.Name | ast.Attribute) else None
    return text if text and ("." not in text or re.fullmatch(r"self\.\w+", text)) else None


def within(name: str, scope: Scope) -> Scope:
    """Where a variable lives that is assigned in a scope: an attribute of `self`, in the class around."""
    return scope[:-1] if name.startswith("self.") else scope


def is_super(node: ast.expr) -> bool:
    """Whether an expression is `super()`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def scoped(node: ast.AST, scope: Scope, kinds: Collection[type[ast.AST]]) -> Iterator[tuple[ast.AST, Scope]]:
    """Every node of some types below one, in the order of the file, with its scope."""
    wanted = frozenset(kinds)
    stack: list[tuple[ast.AST, Scope]] = [(node, scope)]
    while stack:
        node, scope = stack.pop()
        kind = node.__class__
        if kind in wanted:
            yield node, scope
        if kind in _DEFINITIONS:
            scope = (*scope, node.name)  # type: ignore[attr-defined]
        held = node.__dict__
        for name in BRANCHES[kind]:
            part = held.get(name)
            if part.__class__ is list:
                stack += [(child, scope) for child in reversed(part) if isinstance(child, ast.AST)]
            elif part is not None and isinstance(part, ast.AST):
                stack.append((part, scope))


def imports(nodes: Iterator[ast.AST]) -> Iterator[tuple[str, str]]:
    """Local names and the dotted names they were imported from."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname or top, alias.name if alias.asname else top)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield (alias.asname or alias.name, "." * node.level + f"{node.module or ''}.{alias.name}".strip("."))


def assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """The targets and values of a statement that assigns."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
        yield node.target, node.value
