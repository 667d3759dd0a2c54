"""The base of patches that change the keywords a script hands to a library, wherever they are written.

A patch says for one `Given` what becomes of its keywords; this module finds them in calls, in dictionaries that are
unpacked into calls, in `partial`, in single assignments to a key, and puts the result back in the same layout.
"""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import libcst as cst
import libcst.matchers as m

from doctor import signatures
from doctor.given import CallGiven, DictGiven, Given, StoreGiven
from doctor.patch import File, Patch, parsed
from doctor.script import PARTIAL, Callee, Script, pretrained_keyword, script_of
from doctor.traversal import find

TRAINING_ARGUMENTS = frozenset({"transformers.TrainingArguments", "transformers.Seq2SeqTrainingArguments"})
TRAINER = frozenset({"transformers.Trainer", "transformers.Seq2SeqTrainer"})
FROM_PRETRAINED = frozenset(
    f"transformers.{owner}.from_pretrained"
    for owner in ("PreTrainedModel", "PreTrainedTokenizerBase", "PreTrainedConfig")
)


class ScriptPatch(Patch):
    """A patch that asks what the names of a script stand for."""

    family = "script"

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.script: Script = script_of(parsed(file.text))

    @property
    def scope(self) -> tuple[str, ...]:
        """The names of the definitions around the node."""
        return tuple(node.name.value for node in self.file.scope)

    def called(self, call: cst.Call) -> Callee | None:
        """What a call of the script calls."""
        text = dotted(call.func)
        if text is None:
            if m.matches(call.func, m.Attribute(m.Call(m.Name("super")), m.Name("__init__"))):
                return self.script.super_class(self.scope)
            return None
        if callee := self.script.called_by(text, None, self.scope):
            return callee
        full, first = self.script.full(text), dotted(call.args[0].value) if call.args else None
        if full in PARTIAL and first:
            return self.script.called_by(first, None, self.scope)
        return self.script.kind(first, self.scope) if full in ("dataclasses.replace", "replace") and first else None


class ArgumentPatch(ScriptPatch, ABC):
    """A patch of keywords.  Subclasses name the callees in `of` and define `amend`."""

    of: ClassVar[frozenset[str]]

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self._fallbacks = 0

    def visit_ExceptHandler(self, node: cst.ExceptHandler) -> None:
        self._fallbacks += _is_fallback(node)

    def leave_ExceptHandler(
        self, original_node: cst.ExceptHandler, updated_node: cst.ExceptHandler
    ) -> cst.ExceptHandler:
        self._fallbacks -= _is_fallback(original_node)
        return updated_node

    @abstractmethod
    def amend(self, given: Given) -> None:
        """Change the keywords that are given."""

    def serves(self, callee: Callee | None) -> bool:
        """Whether the patch is for a callee, or for the class it is derived from."""
        if callee is None or self._fallbacks:
            return False
        return bool({callee.name, signatures.base(callee.name)} & self.of)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        callee = self.called(original_node)
        if settings := self._parsed(original_node):
            return self._parsing(updated_node, settings)
        if callee is None:
            if m.matches(updated_node.func, m.Attribute(attr=m.Name("update"))):
                name = dotted(cst.ensure_type(updated_node.func, cst.Attribute).value)
                callee = self.script.dictionary(name or "", self.scope)
                return self._call(updated_node, callee) if callee and self.serves(callee) else updated_node
            return updated_node
        call = updated_node
        if not self.serves(callee):
            return self._nested(call)
        return self._nested(self._call(call, callee))

    def _parsed(self, call: cst.Call) -> Callee | None:
        """The settings that a call of an HfArgumentParser makes, where this patch is for them."""
        if not isinstance(call.func, cst.Attribute) or not call.func.attr.value.startswith("parse_"):
            return None
        node = ast.parse(cst.Module([]).code_for_node(call), mode="eval").body
        settings = self.script.parsed_settings(node) if isinstance(node, ast.Call) else None
        return settings if self.serves(settings) else None

    def _parsing(self, call: cst.Call, settings: Callee) -> cst.Call:
        """A call of a parser, the dictionary or the words of the command line that it is given changed."""
        args = [arg.with_changes(value=self._words(self._value(arg.value, settings), settings)) for arg in call.args]
        same = all(a.value is b.value for a, b in zip(args, call.args, strict=True))
        return call if same else call.with_changes(args=args)

    def _words(self, value: cst.BaseExpression, settings: Callee) -> cst.BaseExpression:
        if not isinstance(value, cst.List | cst.Tuple):
            return value
        elements = [self._word(element, settings) for element in value.elements]
        same = all(a is b for a, b in zip(elements, value.elements, strict=True))
        return value if same else value.with_changes(elements=elements)

    def _word(self, element: cst.BaseElement, settings: Callee) -> cst.BaseElement:
        """A word `--name` of a command line, under the name that the patch gives to the keyword."""
        text = element.value
        match = re.fullmatch(r"--(\w+)", str(text.evaluated_value)) if isinstance(text, cst.SimpleString) else None
        if match is None or not isinstance(text, cst.SimpleString):
            return element
        given = DictGiven(settings, [cst.DictElement(cst.SimpleString(f'"{match[1]}"'), cst.parse_expression("value"))])
        self.amend(given)
        name = given.name(given.elements[0]) if given.elements else None
        if not given.changed or name is None:
            return element
        return element.with_changes(value=cst.SimpleString(f"{text.quote}--{name}{text.quote}"))

    def _nested(self, call: cst.Call) -> cst.Call:
        """A call whose `model_kwargs={...}` reach `from_pretrained`."""
        for number, arg in enumerate(call.args):
            callee = pretrained_keyword(arg.keyword.value) if arg.keyword else None
            if callee and self.serves(callee):
                value = self._value(arg.value, callee)
                if value is not arg.value:
                    args = [*call.args[:number], arg.with_changes(value=value), *call.args[number + 1 :]]
                    call = call.with_changes(args=args)
        return call

    def _call(self, call: cst.Call, callee: Callee) -> cst.Call:
        args: list[cst.Arg] = []
        for arg in call.args:
            plain = arg.star == "" and arg.keyword is None and isinstance(arg.value, cst.Dict)
            unpacked = arg.star == "**" or (plain and m.matches(call.func, m.Attribute(attr=m.Name("update"))))
            value = self._value(arg.value, callee) if unpacked else arg.value
            args.append(arg if value is arg.value else arg.with_changes(value=value))
        given = CallGiven(callee, args)
        self.amend(given)
        if not given.changed and all(a is b for a, b in zip(args, call.args, strict=True)):
            return call
        return call.with_changes(args=given.elements)

    def _value(self, value: cst.BaseExpression, callee: Callee) -> cst.BaseExpression:
        """An expression whose value is unpacked into a call."""
        if isinstance(value, cst.Dict):
            elements = [
                e.with_changes(value=inner)
                if isinstance(e, cst.StarredDictElement) and (inner := self._value(e.value, callee)) is not e.value
                else e
                for e in value.elements
            ]
            given = DictGiven(callee, elements)
            self.amend(given)
            same = not given.changed and all(a is b for a, b in zip(elements, value.elements, strict=True))
            return value if same else value.with_changes(elements=given.elements)
        if isinstance(value, cst.Call) and m.matches(value.func, m.Name("dict")):
            return self._call(value, callee)
        if isinstance(value, cst.BinaryOperation):
            left, right = self._value(value.left, callee), self._value(value.right, callee)
            same = left is value.left and right is value.right
            return value if same else value.with_changes(left=left, right=right)
        return value

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.RemovalSentinel:
        body = [self._statement(statement) for statement in updated_node.body]
        if all(a is b for a, b in zip(body, updated_node.body, strict=True)):
            return updated_node
        kept = [statement for statement in body if statement is not None]
        return updated_node.with_changes(body=kept) if kept else cst.RemoveFromParent()

    def _statement(self, node: Any) -> Any:
        """A statement with the dictionaries in it changed; None where nothing of it is left."""
        if isinstance(node, cst.Return) and node.value is not None and self.file.scope:
            callee = self.script.dictionary(f"{self.scope[-1]}()", self.scope)
            return self._changed(node, callee)
        if isinstance(node, cst.AugAssign | cst.AnnAssign) and (name := dotted(node.target)):
            return self._changed(node, self.script.dictionary(name, self.scope))
        if not isinstance(node, cst.Assign):
            return node
        for target in node.targets:
            if name := dotted(target.target):
                node = self._changed(node, self.script.dictionary(name, self.scope))
        if len(node.targets) == 1 and m.matches(node.targets[0].target, STORE):
            name = dotted(cst.ensure_type(node.targets[0].target, cst.Subscript).value) or ""
            callee = self.script.dictionary(name, self.scope)
            if callee is not None and self.serves(callee):
                given = StoreGiven(callee, node)
                self.amend(given)
                return given.statement if given.changed else node
        return node

    def _changed(self, node: Any, callee: Callee | None) -> Any:
        if callee is None or node.value is None or not self.serves(callee):
            return node
        value = self._value(node.value, callee)
        return node if value is node.value else node.with_changes(value=value)


def _is_fallback(handler: cst.ExceptHandler) -> bool:
    """Whether a handler is for a keyword that the release does not take: what is in it is the author's own answer."""
    return bool(find(handler.type, m.Name("TypeError"))) if handler.type else False


STORE = m.Subscript(slice=[m.SubscriptElement(m.Index(m.SimpleString()))])


def dotted(node: cst.CSTNode | None) -> str | None:
    """`a.b.c` of an expression, None where it is anything else."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    return ".".join([node.value, *reversed(parts)]) if isinstance(node, cst.Name) else None


def literal(value: cst.BaseExpression | None) -> object:
    """The value of a literal (`True`, `"auto"`, 0.03); `...` where it is none."""
    if value is None:
        return ...
    try:
        return ast.literal_eval(cst.Module([]).code_for_node(value))
    except (ValueError, SyntaxError):
        return ...
