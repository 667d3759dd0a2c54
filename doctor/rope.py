"""How a file reads its model's RoPE scaling: what the rope patches must know before they rewrite an expression.

The facts are gathered with `ast`, which is ten times faster than libcst; the patches then compare expressions of
their own traversal with them by place (the names of the classes and functions around) and by text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from doctor.parsing import OURS, lines, parsed
from doctor.remembered import remembered

NAMES = ("rope_scaling", "rope_parameters")
KEYS = ("type", "rope_type")
NEWER = ("rope_theta", "partial_rotary_factor")
"""Keys that only the dict of transformers 5 has: it is there, plain or not, where they are read."""
MUTATORS = ("update", "pop", "popitem", "setdefault", "clear")

_CONFIG = re.compile(r"conf|cfg|args|hparams", re.I)
_KIND = re.compile(r"type|rope|scal|kind", re.I)
_ASKING = re.compile(r"""rope_scaling|rope_parameters|["'](?:su|longrope|rope_type)["']""")
Path = tuple[str, ...]


@dataclass
class Unit:
    """What one class or function of the file's top level does with the rope scaling."""

    config: bool = False
    """It is a configuration class."""
    keys: set[str] = field(default_factory=set)
    """Which of KEYS it reads."""
    default: bool = False
    """It knows the type `default`."""
    guarded: bool = False
    """It tests whether there is a scaling at all."""
    dictlike: bool = False
    """It calls the dict's methods or asks what is in it."""
    demanding: bool = False
    """It reads, by subscript, what only a scaled RoPE has."""
    first: ast.AST | None = None
    """Where it first reads one of KEYS, or tests whether there is a scaling."""

    @property
    def copes(self) -> bool:
        """Whether it is right on every release as it stands."""
        return "rope_type" in self.keys and (self.config or (self.default and not self.demanding))


@dataclass
class Rope:
    """The facts of one file."""

    units: dict[str, Unit] = field(default_factory=dict)
    aliases: dict[tuple[Path, str], bool] = field(default_factory=dict)
    """Place and text of every name that holds a rope scaling; true where it was taken from `config.rope_scaling`."""
    spelled: dict[Path, set[str]] = field(default_factory=dict)
    """Which of the names `su` and `longrope` of one method each function mentions."""

    @property
    def active(self) -> bool:
        """Whether some code of the file asks what the scaling is, in a way that is not right on every release."""
        asking = [unit for unit in self.units.values() if unit.keys or unit.guarded]
        return any(not unit.copes and not unit.config for unit in asking)

    def unit(self, path: Path) -> Unit:
        return self.units.get(path[0] if path else "", Unit())

    def alias(self, path: Path, text: str) -> bool | None:
        """Whether a name was taken from `config.rope_scaling`; None where it holds no rope scaling."""
        for depth in range(len(path), -1, -1):
            if (path[:depth], text) in self.aliases:
                return self.aliases[path[:depth], text]
        return False if text.rpartition(".")[2] in NAMES else None


@remembered(4)
def facts(text: str) -> Rope:
    """The facts of a file's text; the patches of one traversal share them."""
    return facts_of(parsed(text), text)


def facts_of(tree: ast.Module, text: str) -> Rope:
    """The facts of a file that is parsed already."""
    rope = Rope()
    found = [node for top in _asking(tree, text, rope) for node in _walk([top], ())]
    for _ in range(2):  # an alias of an alias
        for path, node in found:
            _aliases(node, path, rope)
    for path, node in found:
        _uses(node, path, rope)
    return rope


def _asking(tree: ast.Module, text: str, rope: Rope) -> Iterator[ast.stmt]:
    """The top-level statements that mention a scaling; of the other classes only what they are is noted."""
    for top in tree.body:
        if _ASKING.search("\n".join(lines(text)[top.lineno - 1 : top.end_lineno])):
            yield top
        elif isinstance(top, ast.ClassDef):
            rope.units[top.name] = _class_unit(top)


def _class_unit(node: ast.ClassDef) -> Unit:
    return Unit(config=is_config_class(node.name, [ast.unparse(base) for base in node.bases]))


def _walk(nodes: list[ast.stmt], path: Path) -> Iterator[tuple[Path, ast.AST]]:
    stack: list[tuple[Path, ast.AST]] = [(path, node) for node in reversed(nodes)]
    while stack:
        path, node = stack.pop()
        yield path, node
        inner = path
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith(OURS):
                continue
            inner = (*path, node.name)
        stack += [(inner, child) for child in reversed(list(ast.iter_child_nodes(node)))]


def configish(text: str) -> bool:
    """Whether an expression reads like a model's configuration.

    >>> configish("self.text_config"), configish("batch")
    (True, False)
    """
    return bool(_CONFIG.search(text))


def is_config_class(name: str, bases: list[str]) -> bool:
    return name.endswith("Config") or any(base.endswith("Config") for base in bases)


def _string(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _source(node: ast.AST) -> str | None:
    """Which of NAMES an expression reads from a configuration."""
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        return None if isinstance(node.value, ast.Name) and node.value.id == "self" else node.attr
    name, owner = None, None
    if isinstance(node, ast.Subscript):
        name, owner = _string(node.slice), node.value
    elif isinstance(node, ast.Call) and node.args:
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1:
            name, owner = _string(node.args[1]), node.args[0]
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            name, owner = _string(node.args[0]), node.func.value
    return name if owner is not None and name in NAMES and configish(ast.unparse(owner)) else None


def _text(node: ast.AST) -> str | None:
    """A name or `self.name`, as the table of aliases writes it."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"self.{node.attr}"
    return None


def _holds(node: ast.AST, path: Path, rope: Rope) -> bool | None:
    """None where an expression is no rope scaling, else whether it is one taken from `config.rope_scaling`."""
    if isinstance(node, ast.NamedExpr):
        return _holds(node.value, path, rope)
    if isinstance(node, ast.BoolOp | ast.IfExp):
        parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
        held = [kind for kind in (_holds(part, path, rope) for part in parts) if kind is not None]
        return all(held) if held else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_doctor_rope_scaling":
        return True
    source, text = _source(node), _text(node)
    if source:
        return source == "rope_scaling"
    return rope.alias(path, text) if text else None


def _aliases(node: ast.AST, path: Path, rope: Rope) -> None:
    pairs: list[tuple[ast.expr, ast.expr]] = []
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        pairs = [(node.target, node.value)]
    for target, value in pairs:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            pairs += zip(target.elts, value.elts, strict=True)
            continue
        name, held = _text(target), _holds(value, path, rope)
        if name is None or held is None:
            continue
        place = path[:1] if name.startswith("self.") else path
        if (place, name) not in rope.aliases or not held:
            rope.aliases[place, name] = held


def _uses(node: ast.AST, path: Path, rope: Rope) -> None:
    unit = rope.units.setdefault(path[0] if path else "", Unit())
    if isinstance(node, ast.ClassDef) and not path:
        rope.units[node.name] = _class_unit(node)
    if (word := _string(node)) is not None:
        if word in ("su", "longrope"):
            rope.spelled.setdefault(path, set()).add(word)
        if unit.config and word == "rope_type":
            unit.keys.add(word)
    if (read := _key(node, path, rope)) is not None:
        unit.keys.add(read)
    unit.default |= _knows_default(node, path, rope)
    tests = any(_holds(part, path, rope) is not None for part in _tested(node))
    unit.guarded |= tests
    if unit.first is None and (tests or read):
        unit.first = node
    unit.dictlike |= _as_dict(node, path, rope)
    unit.demanding |= _demands(node, path, rope)


def _key(node: ast.AST, path: Path, rope: Rope) -> str | None:
    """Which of KEYS an expression reads from a rope scaling."""
    key: str | None = None
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        key, owner = _string(node.slice), node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        key, owner = _string(node.args[0]), node.func.value
    return key if key in KEYS and _holds(owner, path, rope) is not None else None


def _tested(node: ast.AST) -> list[ast.expr]:
    """The expressions of which a node asks whether they are there."""
    if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
        return [node.test]
    if isinstance(node, ast.BoolOp):
        return node.values if isinstance(node.op, ast.And) else node.values[:-1]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [node.operand]
    if isinstance(node, ast.Compare) and isinstance(node.comparators[0], ast.Constant):
        return [node.left] if node.comparators[0].value is None else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "bool"):
        return node.args[:1]
    return []


def _knows_default(node: ast.AST, path: Path, rope: Rope) -> bool:
    """Whether a node compares a type with `default`, makes it one, asks for it, or looks a type up."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id == "ROPE_INIT_FUNCTIONS"
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        words = {_string(part) for side in sides for part in getattr(side, "elts", [side])}
        return "default" in words and any(_KIND.search(ast.unparse(side)) for side in sides if not _string(side))
    if isinstance(node, ast.Assign):
        branches = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
        named = any(_KIND.search(ast.unparse(target)) for target in node.targets)
        return named and any(_string(branch) == "default" for branch in branches)
    if isinstance(node, ast.BoolOp):
        return _string(node.values[-1]) == "default" and _key(node.values[0], path, rope) is not None
    if isinstance(node, ast.Call) and len(node.args) == 2:
        return _string(node.args[1]) == "default" and _key(node, path, rope) is not None
    return False


def _demands(node: ast.AST, path: Path, rope: Rope) -> bool:
    """`config.rope_scaling["factor"]`: there is no such key where nothing is scaled."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return False
    key = _string(node.slice)
    return key is not None and key not in (*KEYS, *NEWER) and _holds(node.value, path, rope) is not None


def _as_dict(node: ast.AST, path: Path, rope: Rope) -> bool:
    if isinstance(node, ast.Call) and _key(node, path, rope) is None:
        if isinstance(node.func, ast.Attribute) and node.func.attr not in MUTATORS:
            return _holds(node.func.value, path, rope) is not None
        if isinstance(node.func, ast.Name) and node.func.id in ("len", "dict", "list", "set", "sorted") and node.args:
            return _holds(node.args[0], path, rope) is not None
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        return _string(node.left) not in KEYS and _holds(node.comparators[0], path, rope) is not None
    return False
