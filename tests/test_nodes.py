"""Nodes: one walk, in the order of the file, and nothing that keeps a tree alive."""

from __future__ import annotations

import ast
import gc
import weakref

from doctor.code import Code
from doctor.model import Source
from doctor.nodes import Nodes, walk
from doctor.parsing import walked

TEXT = """
class A:
    @property
    def f(self, x=one(1)):
        def inner(): return two(2)
        return [three(y) for y in x] if four else five(6, key=seven)

async def g(): await eight()
"""


def names(nodes: list[ast.Name]) -> list[str]:
    return [node.id for node in nodes]


def test_a_walk_meets_what_ast_walk_meets_in_the_order_of_the_file() -> None:
    tree = ast.parse(TEXT)
    skipped = (ast.expr_context, ast.operator)
    ours = list(walk(tree))
    assert set(ours) == {node for node in ast.walk(tree) if not isinstance(node, skipped)}
    body = [node.lineno for node in ours if isinstance(node, ast.Call)]  # a decorator comes behind what it decorates
    assert body == sorted(body)


def test_nodes_are_found_by_type_and_place() -> None:
    nodes = Nodes(ast.parse(TEXT))
    assert {"one", "two", "property", "seven", "eight"} <= set(names(nodes.nodes(ast.Name)))
    (inner,) = (node for node in nodes.nodes(ast.FunctionDef) if node.name == "inner")
    assert names(nodes.within(inner, ast.Name)) == ["two"]
    (two,) = (node for node in nodes.every(ast.Call) if ast.unparse(node.func) == "two")
    assert nodes.function(two) is inner
    assert getattr(nodes.class_of(two), "name", "") == "A"
    assert nodes.around[inner] in list(nodes.parents(two))


def test_a_file_is_forgotten_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        code = Code(Source("a.py", "script", TEXT))
        assert code.classes.nodes and code.names and code.class_of(code.every(ast.Return)[0])
        gone = weakref.ref(code.index)
        del code
        for other in ("a = 1", "b = 2"):  # the last two texts are remembered
            walked(other)
        assert gone() is None
    finally:
        gc.enable()
