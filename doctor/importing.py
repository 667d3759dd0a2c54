"""Puts the imports that rewritten expressions need beside those a file has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import libcst as cst


def with_imports(module: cst.Module, wanted: Iterable[tuple[str, str]]) -> cst.Module:
    """The module with every (module, name) imported, in an import of that module where there is one."""
    for origin, name in sorted(wanted):
        beside = _Beside(origin, name)
        module = module.visit(beside)
        if not beside.done:
            line = cst.ensure_type(cst.parse_statement(f"from {origin} import {name}\n"), cst.SimpleStatementLine)
            at = _place(module)
            module = module.with_changes(body=[*module.body[:at], line, *module.body[at:]])
    return module


def _place(module: cst.Module) -> int:
    """Behind the docstring and the imports of `__future__`."""
    place = 0
    for index, statement in enumerate(module.body):
        code = module.code_for_node(statement).strip()
        if code.startswith("from __future__") or (index == 0 and code.startswith(('"', "'"))):
            place = index + 1
    return place


class _Beside(cst.CSTTransformer):
    """Adds a name to the first import of its module that is not tried, and not inside of a function."""

    def __init__(self, origin: str, name: str) -> None:
        super().__init__()
        self.origin, self.name, self.done = origin, name, False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        return False

    def visit_Try(self, node: cst.Try) -> bool:
        return False

    def visit_If(self, node: cst.If) -> bool:
        return False

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> cst.ImportFrom:
        names = updated_node.names
        if self.done or isinstance(names, cst.ImportStar) or updated_node.relative or updated_node.module is None:
            return updated_node
        if cst.Module([]).code_for_node(updated_node.module) != self.origin:
            return updated_node
        self.done = True
        between = names[0].comma if len(names) > 1 else cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        last = names[-1].with_changes(comma=between)
        return updated_node.with_changes(
            names=[*names[:-1], last, cst.ImportAlias(cst.Name(self.name), comma=names[-1].comma)]
        )


def guarded(
    line: cst.SimpleStatementLine, module: str, stand_ins: Mapping[str, str]
) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.BaseStatement]:
    """An import in which some names may be missing: each of these is tried, and else made from its source.

    `stand_ins` are sources in which `{name}` is the name that the file uses.
    """
    statement = line.body[0]
    if len(line.body) != 1 or not isinstance(statement, cst.ImportFrom) or isinstance(statement.names, cst.ImportStar):
        return line
    gone = [alias for alias in statement.names if alias.evaluated_name in stand_ins]
    if not gone:
        return line
    guards = [_try(module, alias, stand_ins[alias.evaluated_name]) for alias in gone]
    return instead(line, gone, guards)


def instead(
    line: cst.SimpleStatementLine,
    gone: Sequence[cst.ImportAlias],
    made: Sequence[cst.SimpleStatementLine] | Sequence[cst.Try],
) -> cst.FlattenSentinel[cst.BaseStatement]:
    """An import without some of its names, and behind it the statements that make these."""
    statement = cst.ensure_type(line.body[0], cst.ImportFrom)
    assert not isinstance(statement.names, cst.ImportStar)
    kept = [alias for alias in statement.names if alias not in gone]
    if not kept:
        return cst.FlattenSentinel([made[0].with_changes(leading_lines=line.leading_lines), *made[1:]])
    if statement.lpar is None:
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return cst.FlattenSentinel([line.with_changes(body=[statement.with_changes(names=kept)]), *made])


def _try(module: str, alias: cst.ImportAlias, source: str) -> cst.Try:
    name = alias.evaluated_name
    local = alias.evaluated_alias or name
    tried = f"from {module} import {name}" + (f" as {local}" if local != name else "")
    lines = source.replace("{name}", local).splitlines(True)
    stand_in = "".join(f"    {each}" if each.strip() else each for each in lines)
    return cst.ensure_type(cst.parse_statement(f"try:\n    {tried}\nexcept ImportError:\n{stand_in}"), cst.Try)
