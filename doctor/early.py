"""Which lines of a tokenizer's `__init__` `super().__init__` counts on: it asks the tokenizer for its vocabulary."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from doctor.classes import Classes
from doctor.scopes import is_super
from doctor.tokenizer_classes import is_tokenizer

ASKED = (
    "__len__", "_convert_id_to_token", "_convert_token_to_id", "added_tokens_encoder", "all_special_tokens",
    "convert_ids_to_tokens", "convert_tokens_to_ids", "get_vocab", "vocab_size",
)  # fmt: skip
"""What `PreTrainedTokenizer.__init__` asks of the tokenizer since 4.34, to add special tokens that are new to it."""
SPECIAL = ("bos_token", "cls_token", "eos_token", "mask_token", "pad_token", "sep_token", "unk_token")
"""Attributes that `super().__init__` sets itself, in some releases also where none is handed over."""


@dataclass(frozen=True)
class Early:
    """What has to stand before `super().__init__`, by its place in the body of `__init__`."""

    call: int
    lines: tuple[int, ...]
    """In their order; empty where they cannot go there."""
    attributes: tuple[str, ...]
    """What `super().__init__` asks for too early."""


def early(classes: Classes, name: str) -> Early | None:
    """The lines of a class's own `__init__` that come too late, None where none does."""
    init = next((node for node in classes.nodes[name].body if getattr(node, "name", "") == "__init__"), None)
    if not isinstance(init, ast.FunctionDef) or not is_tokenizer(classes, name):
        return None
    call = next((index for index, line in enumerate(init.body) if _is_init(line)), None)
    if call is None:
        return None
    late = {index: _Line.of(line) for index, line in enumerate(init.body) if index > call}
    before = {attribute for line in init.body[:call] for attribute in _Line.of(line).makes}
    asked = _read(classes, name, ASKED) - before - {f"self.{special}" for special in SPECIAL}
    wanted = {attribute for line in late.values() for attribute in line.stores} & asked
    if not wanted:
        return None
    lines = _closure(late, wanted)
    given = before | {attribute for index in lines for attribute in late[index].makes}
    known = given | {f"self.{member}" for member in _members(classes, name)}
    foreign = any(use.startswith("self.") and use not in known for index in lines for use in late[index].uses)
    if foreign or any(isinstance(init.body[index], ast.Return) for index in lines):
        lines = set()
    return Early(call, tuple(sorted(lines)), tuple(sorted(wanted)))


@dataclass(frozen=True)
class _Line:
    """What a statement assigns, changes and reads: local names, and attributes as `self.name`."""

    stores: frozenset[str]
    makes: frozenset[str]
    """What it stores, and what it calls a method of, or assigns an item of, for that effect."""
    uses: frozenset[str]

    @classmethod
    def of(cls, line: ast.stmt) -> _Line:
        stores, uses, changed = set[str](), set[str](), set[str]()
        for node in ast.walk(line):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                stores.add(node.name)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                changed |= _owner(node.value.func)
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                changed |= _owner(node)
            elif isinstance(node, ast.Name | ast.Attribute) and (found := _name(node)):
                (stores if isinstance(node.ctx, ast.Store) else uses).add(found)
        return cls(frozenset(stores), frozenset(stores | changed), frozenset(uses))


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id if node.id != "self" else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"self.{node.attr}"
    return None


def _owner(node: ast.expr) -> set[str]:
    """`self.sp_model` of `self.sp_model.Load`, `decoder` of `decoder["a"]`."""
    inner = node.value if isinstance(node, ast.Attribute | ast.Subscript) else None
    found = _name(inner) if inner is not None else None
    return {found} if found else set()


def _is_init(line: ast.stmt) -> bool:
    call = line.value if isinstance(line, ast.Expr) else None
    func = call.func if isinstance(call, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr == "__init__" and is_super(func.value)


def _closure(late: dict[int, _Line], wanted: Iterable[str]) -> set[int]:
    """The lines that make what is wanted, and what those lines read."""
    waiting, seen, lines = set(wanted), set[str](), set[int]()
    while waiting:
        seen |= waiting
        new = {index for index, line in late.items() if line.makes & waiting} - lines
        lines |= new
        waiting = {use for index in new for use in late[index].uses} - seen
    return lines


def _read(classes: Classes, name: str, methods: Iterable[str]) -> set[str]:
    """The attributes of `self` that methods of the class read, and the methods they call."""
    found, waiting = set[str](), set(methods)
    while waiting:
        bodies = [body for method in waiting if (body := classes.method(name, method))]
        read = {f"self.{node.attr}" for body in bodies for node in _attributes(body)}
        waiting = {attribute.removeprefix("self.") for attribute in read - found}
        found |= read
    return found


def _attributes(body: ast.FunctionDef) -> Iterator[ast.Attribute]:
    for node in ast.walk(body):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and _name(node):
            yield node


def _members(classes: Classes, name: str) -> set[str]:
    """The methods, properties and class attributes that the file gives a class."""
    found = set[str]()
    for owner in classes.lineage(name):
        for node in classes.nodes[owner].body if owner in classes.nodes else ():
            if isinstance(node, ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Assign):
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found
