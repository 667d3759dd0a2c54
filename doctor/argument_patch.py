"""The base of patches that change the keywords a script hands to a library, wherever they are written.

A patch says for one `Given` what becomes of its keywords; this module finds them in calls, in dictionaries that are
unpacked into calls, in `partial`, in single assignments to a key, and puts the result back in the same layout.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import libcst as cst
import libcst.matchers as m

from doctor import signatures
from doctor.patch import File, Patch, parsed
from doctor.script import PARTIAL, Callee, Script, pretrained_keyword, script_of

TRAINING_ARGUMENTS = frozenset({"transformers.TrainingArguments", "transformers.Seq2SeqTrainingArguments"})
TRAINER = frozenset({"transformers.Trainer", "transformers.Seq2SeqTrainer"})
FROM_PRETRAINED = frozenset(
    f"transformers.{owner}.from_pretrained"
    for owner in ("PreTrainedModel", "PreTrainedTokenizerBase", "PreTrainedConfig")
)
Element = cst.Arg | cst.DictElement | cst.StarredDictElement


class Given:
    """The keywords that reach one callee at one place."""

    def __init__(self, callee: Callee, elements: Sequence[Any] = ()) -> None:
        self.callee = callee
        self.elements: list[Any] = list(elements)
        self.changed = False

    @property
    def spelled(self) -> str:
        """How the script names the callee."""
        return self.callee.spelled

    def name(self, element: Any) -> str | None:
        """The keyword of an element."""
        raise NotImplementedError

    def index(self, name: str) -> int | None:
        """Where a keyword is; None where it is not there, or is one of the script's own class."""
        if name in self.callee.own or "*" in self.callee.own:
            return None
        return next((i for i, element in enumerate(self.elements) if self.name(element) == name), None)

    def __contains__(self, name: str) -> bool:
        return self.index(name) is not None

    def get(self, name: str) -> cst.BaseExpression | None:
        """The value of a keyword."""
        at = self.index(name)
        return None if at is None else cast(cst.BaseExpression, self.elements[at].value)

    def code(self, name: str) -> str:
        """The value of a keyword as text."""
        value = self.get(name)
        return "" if value is None else cst.Module([]).code_for_node(value)

    def rename(self, old: str, new: str) -> None:
        """Give a keyword another name; where that is given too, leave both."""
        at = self.index(old)
        if at is not None and new not in self:
            self.elements[at] = self.named(self.elements[at], cst.SimpleString(f'"{new}"'))
            self.changed = True

    def replace(self, old: str, new: str, value: str) -> None:
        """Give a keyword another name and value."""
        at = self.index(old)
        if at is not None and new not in self:
            element = self.elements[at].with_changes(value=cst.parse_expression(value))
            self.elements[at] = self.named(element, cst.SimpleString(f'"{new}"'))
            self.changed = True

    def either(self, old: str, new: str) -> None:
        """The old name where the release has it, else the new one, with the same value."""
        at = self.index(old)
        if at is not None and new not in self and self.spelled:
            key = cst.parse_expression(f'"{old}" if hasattr({self.spelled}, "{old}") else "{new}"')
            self.elements[at] = self.named(self.elements[at], key)
            self.changed = True

    def spread(self, name: str, value: str) -> None:
        """A dictionary of keywords in place of one."""
        at = self.index(name)
        if at is not None:
            self.elements[at] = self.unpacked(self.elements[at], cst.parse_expression(value))
            self.changed = True

    def remove(self, name: str) -> None:
        """Leave a keyword out."""
        at = self.index(name)
        if at is not None:
            self.elements = self.without(at)
            self.changed = True

    def named(self, element: Any, key: cst.BaseExpression) -> Any:
        """An element under another key."""
        raise NotImplementedError

    def unpacked(self, element: Any, value: cst.BaseExpression) -> Any:
        """An element that unpacks a dictionary, with the commas of another one."""
        raise NotImplementedError

    def without(self, at: int) -> list[Any]:
        """The elements less one, the layout of the rest kept."""
        left, gone = [e for i, e in enumerate(self.elements) if i != at], self.elements[at]
        if left and at == len(left):
            left[-1] = _last(left[-1], gone)
        return left


def _last(before: Any, gone: Any) -> Any:
    """An element that becomes the last one because the last is gone."""
    closing = getattr(gone, "whitespace_after_arg", None)
    comma = before.comma
    comment = m.findall(comma, m.Comment()) if isinstance(comma, cst.Comma) else []
    if comment:
        end = gone.comma.whitespace_after if isinstance(gone.comma, cst.Comma) else closing
        if isinstance(end, cst.ParenthesizedWhitespace):
            end = comma.whitespace_after.with_changes(last_line=end.last_line, indent=end.indent)
            return before.with_changes(comma=comma.with_changes(whitespace_after=end))
        return before
    changes: dict[str, Any] = {"comma": gone.comma}
    if closing is not None:
        changes["whitespace_after_arg"] = closing
    return before.with_changes(**changes)


class CallGiven(Given):
    """The keywords of a call."""

    def name(self, element: Any) -> str | None:
        return element.keyword.value if element.keyword else None

    def named(self, element: Any, key: cst.BaseExpression) -> Any:
        if isinstance(key, cst.SimpleString):
            return element.with_changes(keyword=cst.Name(str(key.evaluated_value)))
        pair = cst.Dict([cst.DictElement(key, element.value)])
        return self.unpacked(element, pair)

    def unpacked(self, element: Any, value: cst.BaseExpression) -> Any:
        if isinstance(value, cst.IfExp):
            value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        changes = {"value": value, "keyword": None, "equal": cst.MaybeSentinel.DEFAULT, "star": "**"}
        return element.with_changes(**changes)


class DictGiven(Given):
    """The entries of a dictionary that is written out."""

    def name(self, element: Any) -> str | None:
        key = getattr(element, "key", None)
        value = key.evaluated_value if isinstance(key, cst.SimpleString) else None
        return value if isinstance(value, str) else None

    def named(self, element: Any, key: cst.BaseExpression) -> Any:
        if isinstance(key, cst.SimpleString) and isinstance(element.key, cst.SimpleString):
            quote = element.key.quote
            key = cst.SimpleString(f"{quote}{key.evaluated_value!s}{quote}")
        return element.with_changes(key=key)

    def unpacked(self, element: Any, value: cst.BaseExpression) -> Any:
        if isinstance(value, cst.IfExp):
            value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return cst.StarredDictElement(value, comma=element.comma)


class StoreGiven(DictGiven):
    """One assignment to a key of a dictionary: `options["no_cuda"] = True`."""

    def __init__(self, callee: Callee, node: cst.Assign) -> None:
        target = cst.ensure_type(node.targets[0].target, cst.Subscript)
        key = cst.ensure_type(target.slice[0].slice, cst.Index).value
        super().__init__(callee, [cst.DictElement(key, node.value)])
        self.node, self.target = node, target

    @property
    def statement(self) -> cst.BaseSmallStatement | None:
        """What the assignment becomes, None where it is left out."""
        if not self.elements:
            return None
        (element,) = self.elements
        if isinstance(element, cst.StarredDictElement):
            update = cst.Call(cst.Attribute(self.target.value, cst.Name("update")), [cst.Arg(_bare(element.value))])
            return cst.Expr(update)
        slot = self.target.slice[0].with_changes(slice=cst.Index(element.key))
        target = self.node.targets[0].with_changes(target=self.target.with_changes(slice=[slot]))
        return self.node.with_changes(targets=[target], value=element.value)


def _bare(value: cst.BaseExpression) -> cst.BaseExpression:
    return value.with_changes(lpar=[], rpar=[])


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


class ArgumentPatch(ScriptPatch):
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

    def amend(self, given: Given) -> None:
        """Change the keywords that are given."""
        raise NotImplementedError

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
    return bool(m.findall(handler.type, m.Name("TypeError"))) if handler.type else False


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
