"""The sandbox that chat templates run in: jinja2's immutable one, with the tag and the limits it lacks.

A template is code of whoever published the model.  It cannot reach Python here; it also cannot fill the memory, or
run for longer than TIME_LIMIT.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import Template, TemplateError, nodes, pass_eval_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import EvalContext
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

TIME_LIMIT = 5.0
"""Seconds that one rendering may take."""


class TooSlow(Exception):
    """Raised inside a rendering that is over its time."""


class Generation(Extension):
    """`{% generation %}...{% endgeneration %}`: what the model says, by character."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_said"), [], [], body).set_lineno(line)

    @pass_eval_context
    def _said(self, context: EvalContext, caller: Callable[[], str]) -> str:
        said = caller()
        environment: Any = self.environment
        start = sum(map(len, environment.written))
        environment.generated.append((start, start + len(said)))
        return said


class Generator(CodeGenerator):
    """Writes the code of a template, `+` and `~` as calls that are counted."""

    def visit_Add(self, node: nodes.BinExpr, frame: Frame) -> None:
        self.write("environment.added(")
        self.visit(node.left, frame)
        self.write(", ")
        self.visit(node.right, frame)
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """Counts what a rendering writes, joins and loops over.  `generated` are the spans of the last rendering."""

    code_generator_class = Generator
    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, size: int, loops: int) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
        self.size, self.loops = size, loops
        self.left = loops
        self.written: list[str] = []
        self.generated: list[tuple[int, int]] = []
        self.globals["range"] = self._range

    def within_limits(self, template: Template, values: Mapping[str, Any]) -> str:
        """Render; raises TemplateError where a limit is crossed."""
        self.left, self.written, self.generated = self.loops, [], []
        length = 0
        try:
            with _watched(TIME_LIMIT):
                for piece in template.generate(values):
                    self.written.append(piece)
                    length += len(piece)
                    if length > self.size:
                        self._too_large()
        except TooSlow:
            raise TemplateError(f"rendering took longer than {TIME_LIMIT:g} seconds") from None
        return "".join(self.written)

    def added(self, left: Any, right: Any) -> Any:
        """`left + right`; it can be refused afterwards, as it is at most twice as long as either."""
        made = left + right
        if type(made) is str and len(made) > self.size:
            self._too_large()
        return made

    def joined(self, parts: tuple[Any, ...]) -> str:
        """The parts of `a ~ b` as one text."""
        text = "".join(map(str, parts))
        if len(text) > self.size:
            self._too_large()
        return text

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An arithmetic operation, refused before it makes something huge."""
        if _size(operator, left, right) > self.size:
            self._too_large()
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """A call, whose result may not be huge either."""
        if any(isinstance(argument, int) and argument > __self.size for argument in args):
            __self._too_large()
        result = super().call(__context, __obj, *args, **kwargs)
        if isinstance(result, str) and len(result) > __self.size:
            __self._too_large()
        return result

    def _range(self, *bounds: int) -> range:
        made = range(*bounds)
        self.left -= len(made)
        if self.left < 0:
            raise TemplateError(f"it loops more than {self.loops:,} times")
        return made

    def _too_large(self) -> None:
        raise TemplateError(f"it makes more than {self.size:,} characters of one conversation")


def _size(operator: str, left: Any, right: Any) -> int:
    """About how large the result of an operation is, in characters, entries or bits."""
    if operator == "*":
        lengths = [len(value) if isinstance(value, str | list | tuple) else value for value in (left, right)]
        return math.prod(lengths) if all(isinstance(length, int) for length in lengths) else 0
    if operator == "**":
        whole = isinstance(left, int) and isinstance(right, int)
        return abs(right) * left.bit_length() if whole else 0
    widths = re.findall(r"\d+", left) if isinstance(left, str) else []
    return max((int(width[:12]) for width in widths), default=0)


class _Watch(threading.Thread):
    """Ends renderings that take too long, from outside: a loop that writes nothing never gives control back."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="doctor-template-watch")
        self.deadlines: dict[int, float] = {}
        self.guard = threading.Lock()

    def run(self) -> None:
        while True:
            time.sleep(0.2)
            with self.guard:
                for ident in [ident for ident, end in self.deadlines.items() if time.monotonic() > end]:
                    del self.deadlines[ident]
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(TooSlow))


_watches: list[_Watch] = []


@contextlib.contextmanager
def _watched(seconds: float) -> Iterator[None]:
    if not _watches:
        _watches.append(_Watch())
        _watches[0].start()
    watch, ident = _watches[0], threading.get_ident()
    watch.deadlines[ident] = time.monotonic() + seconds
    try:
        yield
    finally:
        with watch.guard:
            watch.deadlines.pop(ident, None)
