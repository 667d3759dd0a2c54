"""The traversal: what it keeps, where it puts functions, and how patches meet in one file."""

from __future__ import annotations

import ast

import libcst as cst
import pytest

from doctor import patch as traversal
from doctor.patch import BANNER, Example, File, Patch, Refusal, catalogue, parsed, rewrite


class Answer(Patch):
    """`question` becomes a call of a function that the patch brings along."""

    old, new = "transformers<5", "transformers>=4"
    needles = (b"question",)
    helpers = {"_doctor_answer": "def _doctor_answer():\n    return 42\n"}
    examples = [Example("question", "_doctor_answer()"), Example("x = 1"), Example("y = 2")]

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        return cst.Call(self.helper("_doctor_answer")) if updated_node.value == "question" else updated_node


class Rename(Patch):
    """`old` becomes `new`, in calls."""

    old, new = "transformers<5", "transformers>=4"
    needles = (b"old",)
    helpers = {"_doctor_zeal": "def _doctor_zeal():\n    return 1\n"}
    examples = [Example("old()", "new()")]

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        named = isinstance(updated_node.func, cst.Name) and updated_node.func.value == "old"
        return updated_node.with_changes(func=cst.Name("new")) if named else updated_node


class Attribute(Patch):
    """`x.first` becomes a call: a node of another type."""

    old, new = "transformers<5", "transformers>=4"
    needles = (b"first",)
    examples = [Example("x.first", "one(x)")]

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        gone = updated_node.attr.value == "first"
        return cst.Call(cst.Name("one"), [cst.Arg(updated_node.value)]) if gone else updated_node


class Second(Patch):
    """Every attribute of `y` is asked of `z`."""

    old, new = "transformers<5", "transformers>=4"
    needles = (b"y.",)
    examples = [Example("y.a", "z.a")]

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        mine = isinstance(updated_node.value, cst.Name) and updated_node.value.value == "y"
        return updated_node.with_changes(value=cst.Name("z")) if mine else updated_node


class Unsure(Rename):
    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        raise Refusal("line 1: old() of this form")


ODD = """#!/usr/bin/env python
# -*- coding: utf-8 -*-
'''A page.

    indented'''
from __future__ import annotations
import   os, sys          # spacing


x = { 'a':1,
      "b" :[ 1,2 ,
   3 ] , }   ;   y=2
def f ( a , * , b = 1 ) : return   old( a,b )   # old is called
class C ( object ) :

\tdef g(self):
\t\treturn (  old  (1)  # here
\t\t\t\t)
if x: pass
"""


def test_everything_else_stays_byte_for_byte() -> None:
    assert rewrite(ODD, [Rename]).text == ODD.replace("old( a", "new( a").replace("old  (1)", "new  (1)")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_stay(newline: str, end: str, mark: str) -> None:
    text = mark + f"import os\n\n\ndef f():\n    return 1\n\n\ndef g():\n    return old(){end}".replace("\n", newline)
    done = rewrite(text, [Rename])
    assert done.text == text.replace("old()", "new()")
    assert done.patches == (Rename.id(),)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_brought_functions_take_the_file_s_line_ends(newline: str) -> None:
    done = rewrite("import os\n\nx = question\n".replace("\n", newline), [Answer]).text
    assert done.count("\n") == done.count(newline)


def test_brought_functions_take_the_file_s_indent() -> None:
    assert "\treturn 42" in rewrite("def f():\n\treturn question\n", [Answer]).text


def test_nothing_to_do_gives_back_the_very_text() -> None:
    text = "x = 'question'\n"
    done = rewrite(text, [Answer])
    assert done == traversal.Rewrite(text, ())


FUNCTION = f"{BANNER}\ndef _doctor_answer():\n    return 42\n"
HEAD = '#!/bin/sh\n# licence\n"""Page."""\nfrom __future__ import annotations\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = question\n", f"{FUNCTION}\n\nx = _doctor_answer()\n"),
        ("import os\nx = question\n", f"import os\n\n\n{FUNCTION}\n\nx = _doctor_answer()\n"),
        ('"""Page."""\nx = question\n', f'"""Page."""\n\n\n{FUNCTION}\n\nx = _doctor_answer()\n'),
        (
            f"{HEAD}\nx = question\n",
            f"{HEAD}\n\n{FUNCTION}\n\nx = _doctor_answer()\n",
        ),
        (
            "import os\nif os:\n    import sys\ntry:\n    import flash\nexcept ImportError:\n    flash = None\n\n"
            "# about x\nx = question\n",
            "import os\nif os:\n    import sys\ntry:\n    import flash\nexcept ImportError:\n    flash = None\n\n\n"
            f"{FUNCTION}\n\n# about x\nx = _doctor_answer()\n",
        ),
        (
            "import os\n\n\n@question\nclass A:\n    pass\n\n\nimport late\n",
            f"import os\n\n\n{FUNCTION}\n\n@_doctor_answer()\nclass A:\n    pass\n\n\nimport late\n",
        ),
    ],
    ids=["nothing", "import", "docstring", "future", "guarded-imports", "late-import"],
)
def test_where_functions_go(before: str, after: str) -> None:
    done = rewrite(before, [Answer]).text
    assert done == after
    compile(done, "file.py", "exec")


def test_a_later_patch_joins_the_block_of_an_earlier_one() -> None:
    class Other(Answer):
        needles = (b"riddle",)
        helpers = {"_doctor_solution": "def _doctor_solution():\n    return 43\n"}

        def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
            return cst.Call(self.helper("_doctor_solution")) if updated_node.value == "riddle" else updated_node

    text = "import os\nx = question\ny = riddle\nz = riddle\n"
    twice = rewrite(rewrite(text, [Answer]).text, [Other]).text
    assert twice == rewrite(text, [Answer, Other]).text
    assert twice.count(BANNER) == twice.count("def _doctor_solution") == 1


def test_rewriting_again_changes_nothing() -> None:
    once = rewrite("import os\nx = question\n", [Answer])
    assert rewrite(once.text, [Answer]) == traversal.Rewrite(once.text, ())


def test_brought_functions_are_left_alone() -> None:
    text = "def _doctor_answer():\n    return old()\nx = old()\n"
    assert rewrite(text, [Rename]).text == text.replace("x = old", "x = new")


@pytest.mark.parametrize("order", [[Answer, Rename, Attribute, Second], [Second, Attribute, Rename, Answer]])
def test_patches_on_one_line_in_any_order(order: list[type[Patch]]) -> None:
    done = rewrite("def f(x, y): return old(question, x.first, y.first.first, old(y.a).first)\n", order)
    last = done.text.splitlines()[-1]
    assert last == "def f(x, y): return new(_doctor_answer(), one(x), one(one(z)), one(new(z.a)))"


def test_the_catalogue_is_in_the_order_of_ids() -> None:
    assert [p.id() for p in catalogue()] == sorted(p.id() for p in catalogue())


class Ping(Patch):
    """`ping(x)` becomes `x.ping`, and the reverse."""

    old, new = "transformers<5", "transformers>=4"
    needles = (b"ping",)
    examples = [Example("ping(x)", "x.ping")]

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        return cst.Attribute(updated_node.args[0].value, cst.Name("ping"))

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        return cst.Call(cst.Name("ping"), [cst.Arg(updated_node.value)])


class Pong(Ping):
    """The same again."""


def test_patches_that_undo_each_other_are_refused() -> None:
    with pytest.raises(Refusal, match="keep rewriting"):
        rewrite("ping(x)\n", [Ping, Pong])


def test_a_refusal_reaches_the_caller() -> None:
    with pytest.raises(Refusal, match="line 1: old\\(\\) of this form"):
        rewrite("old()\n", [Answer, Unsure])


@pytest.mark.parametrize("text", ["print 'old'\n", "def old(:\n", "old = (\n", "\told = 1\n  x = 2\n"])
def test_what_is_not_python_3_raises(text: str) -> None:
    with pytest.raises(cst.ParserSyntaxError):
        rewrite(text, [Rename])


def test_an_empty_file() -> None:
    assert rewrite("", [Answer]) == traversal.Rewrite("", ())


def test_scope_names_the_definitions_around() -> None:
    seen = list[tuple[str, list[str]]]()

    class Scope(Rename):
        def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
            function = self.file.function
            seen.append((function.name.value if function else "", [c.name.value for c in self.file.classes]))
            return updated_node

    rewrite("class A:\n    class B:\n        def f(self):\n            old()\n        old()\nold()\n", [Scope])
    assert seen == [("f", ["A", "B"]), ("", ["A", "B"]), ("", [])]


MANY = """import os


@decorated
class A(B):  # a
    x = 1

    def f(self):
        return 1
    # end

"""


def test_only_what_a_patch_reaches_is_parsed() -> None:
    text = MANY + "class C:\n    def g(self):\n        return old()\n\n    async def h(self):\n        return 2\n"
    short, folded = traversal._fold(text, [Rename(File(text))])
    assert "return 1" not in short and "return 2" not in short and "return old()" in short
    assert traversal._unfold(short, folded) == text
    assert rewrite(text, [Rename]).text == text.replace("old()", "new()")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_folding_is_undone_in_odd_files(newline: str) -> None:
    odd = MANY + "def last(): pass\nx = '\x0c\u2028'\n\n\nclass D: pass"
    text = (odd + "\n" + ODD).replace("\n", newline)
    short, folded = traversal._fold(text, [Answer(File(text))])
    assert len(folded) >= 4
    assert traversal._unfold(short, folded) == text
    ast.parse(short)


def test_a_patch_that_takes_a_definition_away_gets_the_whole_file() -> None:
    class Away(Rename):
        def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> object:
            return cst.RemoveFromParent()

        def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
            kept = [s for s in updated_node.body if not isinstance(s, cst.ClassDef)]
            return updated_node.with_changes(body=kept)

    assert rewrite(MANY + "old()\n", [Away]).text == "import os\n\nnew()\n"


def test_the_tree_of_a_file_is_shared() -> None:
    assert parsed("x = 1\n") is parsed("x = 1\n")
    with pytest.raises(Refusal, match="line 2"):
        parsed("x = 1\ndef\n")


class Remembers(Rename):
    """Reaches every method of a class that it was shown."""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.shown: set[str] = set()

    def reaches(self, name: str, text: str) -> bool:
        owner, _, method = name.partition(".")
        if not method:
            self.shown.add(owner)
        return owner in self.shown


def test_every_patch_is_shown_a_class_that_another_one_reaches() -> None:
    text = "class A:\n    def f(self):\n        old()\n\n    def g(self):\n        return question\n"
    assert rewrite(text, [Answer, Remembers]).patches == ("test-patch", "test-patch")
