"""What one module of a release binds and defines, read with `ast`: names, classes with their members, signatures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

FOREIGN = "another distribution's"
"""What a name is that a module only has because it imports it from elsewhere."""


@dataclass
class Class:
    """A class's bases as they are written, the members it makes, and the parameters of its methods."""

    bases: list[str] = field(default_factory=list)
    members: set[str] = field(default_factory=set)
    methods: dict[str, str] = field(default_factory=dict)


@dataclass
class Outline:
    """A module."""

    bindings: dict[str, str | None] = field(default_factory=dict)
    """Its names: None, FOREIGN, or the module that a star takes from."""
    origins: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """Name to level, module and name of the import it comes from."""
    aliases: dict[str, str] = field(default_factory=dict)
    assigned: set[str] = field(default_factory=set)
    """The names its own statements give a value: tables and constants."""
    classes: dict[str, Class] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    handed: list[tuple[str, str, str]] = field(default_factory=list)
    """Calls of a method: receiver, method, what is handed (`2 name name`)."""


DEFINED = re.compile(rb"(?m)^(?:class|def|async def) (\w+)|^(\w+)[ \t]*(?::[^=\n]*)?=[^=]")
IMPORTED = re.compile(rb"(?m)^[ \t]*(?:from [\w.]+ )?import (\([^)]*\)|[^\n]*)")


def skim(text: bytes) -> Outline:
    """The names that a model's file defines and imports, without parsing it: there are fifteen thousand of them."""
    defined = {(a or b).decode() for a, b in DEFINED.findall(text)}
    imported = {name.decode() for names in IMPORTED.findall(text) for name in re.findall(rb"\w+", names)}
    return Outline(dict.fromkeys(defined | imported), functions=dict.fromkeys(defined, ""))


def outline(text: bytes, deep: bool = True) -> Outline:
    """Read a module; `deep` includes members and calls."""
    tree = ast.parse(text)
    found = Outline(dict(_bindings(tree)))
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found.origins[alias.asname or alias.name] = (node.level, node.module or "", alias.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found.assigned.update(_assigned(node))
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                found.aliases |= {target.id: node.value.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.FunctionDef):
            found.functions[node.name] = parameters(node)
        elif isinstance(node, ast.ClassDef):
            found.classes[node.name] = _class(node, deep)
    if deep:
        found.handed = list(_handed(tree))
    return found


def _class(node: ast.ClassDef, deep: bool) -> Class:
    made = Class([ast.unparse(base) for base in node.bases])
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            made.methods[part.name] = parameters(part, method=True)
            made.members.add(part.name)
        elif isinstance(part, ast.Assign | ast.AnnAssign):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            made.members |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    if "__getattr__" in made.methods:
        served = {form for word in _served(node) for form in (word, f"_{word}", f"{word}_id", f"{word}_ids")}
        made.members |= served
    for inner in ast.walk(node) if deep else ():
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            made.members |= {inner.attr} if ast.unparse(inner.value) in ("self", "cls") else set()
        elif isinstance(inner, ast.Call) and ast.unparse(inner.func) == "setattr" and len(inner.args) == 3:
            name = inner.args[1]
            made.members |= {str(name.value)} if isinstance(name, ast.Constant) else set()
    return made


def _served(node: ast.ClassDef) -> Iterator[str]:
    """The words of a class's lists, and of the function that answers for names it does not have."""
    for part in node.body:
        if isinstance(part, ast.Assign | ast.AnnAssign):
            parts: list[ast.AST] = getattr(part.value, "elts", [])
        else:
            parts = list(ast.walk(part)) if getattr(part, "name", "") == "__getattr__" else []
        for word in parts:
            if isinstance(word, ast.Constant) and isinstance(word.value, str) and word.value.isidentifier():
                yield word.value


def parameters(function: ast.FunctionDef, method: bool = False) -> str:
    """A function's parameters: `name`, `name=` with a default, `*`, `:name` by keyword only, `**`."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    required = len(positional) - len(args.defaults)
    words = [arg.arg + "=" * (index >= required) for index, arg in enumerate(positional)]
    static = any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
    words = words[1:] if method and not static else words
    words += ["*"] if args.vararg else []
    words += [f":{a.arg}" + "=" * (d is not None) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    for decorator in function.decorator_list:  # takes an old name for a while
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("deprecate_kwarg"):
            words += [f":{name.value}=" for name in decorator.args[:1] if isinstance(name, ast.Constant)]
    return " ".join([*words, *(["**"] if args.kwarg else [])])


def _handed(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if any(isinstance(arg, ast.Starred) for arg in node.args):
            continue
        names = sorted({keyword.arg for keyword in node.keywords if keyword.arg})
        yield ast.unparse(node.func.value), node.func.attr, " ".join([str(len(node.args)), *names])


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of the top level, and those under its conditions."""
    stack: list[ast.stmt] = list(tree.body)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            for part in ("body", "orelse", "finalbody", "handlers"):
                stack += getattr(node, part, [])


def _bindings(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """Names a module binds when imported, with what they are: None, FOREIGN, or the module a star takes from."""
    if any(_defines(node, "__getattr__") for node in tree.body):
        # Old names that the module answers for are the keys of a table somewhere in it.
        texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        yield from ((text, FOREIGN) for text in texts if isinstance(text, str) and text.isidentifier())
    for node in _statements(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, None
        elif isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("transformers")):
            for alias in node.names:
                yield (f"*{node.module}", node.module) if alias.name == "*" else (alias.asname or alias.name, None)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr):
            yield from ((name, None) for name in _assigned(node))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name.partition(".")[0], FOREIGN) for alias in node.names)


def _defines(node: ast.stmt, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node]
    return any(getattr(target, "id", getattr(target, "name", None)) == name for target in targets)


def _assigned(node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
    if "_import_structure" in ast.unparse(targets[0]):
        yield from (c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str))
    elif not isinstance(node, ast.Expr):
        yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
