"""The keywords that reach one callee at one place, and how each is renamed, replaced or taken out in its own layout.

They are written in a call, in a dictionary that is unpacked into one, or in an assignment to a key.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, cast

import libcst as cst
import libcst.matchers as m

from doctor.script import Callee


class Given(ABC):
    """The keywords that reach one callee at one place."""

    def __init__(self, callee: Callee, elements: Sequence[Any] = ()) -> None:
        self.callee = callee
        self.elements: list[Any] = list(elements)
        self.changed = False

    @property
    def spelled(self) -> str:
        """How the script names the callee."""
        return self.callee.spelled

    @abstractmethod
    def name(self, element: Any) -> str | None:
        """The keyword of an element."""

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

    @abstractmethod
    def named(self, element: Any, key: cst.BaseExpression) -> Any:
        """An element under another key."""

    @abstractmethod
    def unpacked(self, element: Any, value: cst.BaseExpression) -> Any:
        """An element that unpacks a dictionary, with the commas of another one."""

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
