"""Where a chain of comparisons over the type of a RoPE scaling raises on a type that it does not know."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import OURS, Code
from doctor.scaling import Read


def _knows_default(function: ast.AST) -> bool:
    """Whether the function compares with "default", or one of our functions has sorted it out before."""
    for node in ast.walk(function):
        if isinstance(node, ast.Compare | ast.match_case):
            parts = ast.walk(node if isinstance(node, ast.Compare) else node.pattern)
            if any(isinstance(part, ast.Constant) and part.value == "default" for part in parts):
                return True
        if isinstance(node, ast.Name) and node.id.startswith(OURS):
            return True
    return False


def refusal(code: Code, function: ast.AST, read: Read) -> ast.Raise | None:
    """The `raise` at the end of a chain of comparisons of what was read with known types, none of them `default`."""
    if _knows_default(function):
        return None
    names = _names(code, read.node)
    for node in ast.walk(function):
        if isinstance(node, ast.If) and _compares(node.test, names):
            inverted = any(isinstance(op, ast.NotIn | ast.NotEq) for c in _of(node.test, ast.Compare) for op in c.ops)
            for statement in node.body if inverted else node.orelse:
                if isinstance(statement, ast.Raise):
                    return statement
        if isinstance(node, ast.Match) and ast.unparse(node.subject) in names:
            return next((n for case in node.cases for n in case.body if isinstance(n, ast.Raise)), None)
    return None


def _names(code: Code, node: ast.expr) -> set[str]:
    """What the value read is called: the names it is assigned to, and its own text."""
    found = {ast.unparse(node)}
    for parent in code.parents(node):
        if isinstance(parent, ast.Assign):
            found |= {ast.unparse(target) for target in parent.targets}
        elif isinstance(parent, ast.AnnAssign | ast.NamedExpr):
            found.add(ast.unparse(parent.target))
        if isinstance(parent, ast.stmt):
            break
    return found


def _compares(test: ast.expr, names: set[str]) -> bool:
    return any(
        ast.unparse(side) in names or (isinstance(side, ast.NamedExpr) and side.target.id in names)
        for compare in _of(test, ast.Compare)
        for side in (compare.left, *compare.comparators)
        if any(isinstance(c, ast.Constant) and isinstance(c.value, str) for c in ast.walk(compare))
    )


def _of(node: ast.AST, kind: type[ast.Compare]) -> Iterator[ast.Compare]:
    return (child for child in ast.walk(node) if isinstance(child, kind))
