"""The base of every patch, and the one traversal that applies several to a file.

A patch is a libcst rewrite whose output runs on every release of the matrix, old and new, and needs nothing of
ours at run time.  A patch may call a small function it brings along (`helpers`); the functions a file needs are
put once, in one block, before its first class or function.
"""

from __future__ import annotations

import importlib
import pkgutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import libcst as cst

BANNER = "# Added by tune-doctor: lets this file run on every transformers release from 4.47 to 5.x."
PASSES = 4
"""A file that still changes after so many traversals has two patches that undo each other."""


@dataclass(frozen=True)
class Example:
    """A test and a page of the manual: `before` becomes `after`, or (None) must stay as it is.

    Helper functions are left out of `after`; `keeps` says why a file without `after` is left alone.
    """

    before: str
    after: str | None = None
    keeps: str = ""


class Refusal(Exception):
    """A patch met a form of its construct that it cannot rewrite without changing the numbers.

    The message says which, with the line where known; the file is left as it was.
    """


class File:
    """What the patches of one file share: the text as it came, enclosing definitions, and requested helpers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.scope: list[cst.ClassDef | cst.FunctionDef] = []
        self.helpers: dict[str, str] = {}

    @property
    def classes(self) -> list[cst.ClassDef]:
        """The classes around the node, outermost first, as they were before the rewrite."""
        return [node for node in self.scope if isinstance(node, cst.ClassDef)]

    @property
    def function(self) -> cst.FunctionDef | None:
        """The innermost function around the node, as it was before the rewrite."""
        return next((node for node in reversed(self.scope) if isinstance(node, cst.FunctionDef)), None)


class Patch:
    """One rewrite.  Subclasses define `visit_<Node>(node)` and `leave_<Node>(original, updated)` as libcst does.

    The module's docstring is the patch's page: title, why, reference.  One instance serves one traversal of one
    file; `self.file` holds what it may ask.  `visit_` methods return nothing (children are always visited).
    Idempotence is the patch's duty: its own output must not match again.
    """

    old: ClassVar[str]
    """PEP 508 requirement of the releases that accept the old spelling."""
    new: ClassVar[str]
    """PEP 508 requirement of the releases that accept the rewritten file."""
    safe: ClassVar[bool] = True
    needles: ClassVar[tuple[bytes, ...]]
    """The file is visited only if its bytes hold one of these."""
    mends: ClassVar[tuple[str, ...]] = ()
    """Constructs of findings that this patch removes: check ids, `attribute:NAME`, `import:MODULE.NAME`."""
    examples: ClassVar[Sequence[Example]]
    helpers: ClassVar[Mapping[str, str]] = {}
    """Functions the output calls: name to source.  Names begin with `_doctor_`."""

    def __init__(self, file: File) -> None:
        self.file = file

    @classmethod
    def id(cls) -> str:
        return cls.__module__.rpartition(".")[2].replace("_", "-")

    def helper(self, name: str) -> cst.Name:
        """The name of one of `helpers`, which will be in the file."""
        self.file.helpers[name] = self.helpers[name]
        return cst.Name(name)


@dataclass(frozen=True)
class Rewrite:
    """A rewritten file and the ids of the patches that changed it, in the order of the catalogue."""

    text: str
    patches: tuple[str, ...]


def rewrite(text: str, patches: Iterable[type[Patch]] | None = None) -> Rewrite:
    """Apply patches (default: the whole catalogue) to one file, all in one traversal.

    Everything outside the rewritten expressions stays byte for byte.  Raises `cst.ParserSyntaxError` where the
    file is not Python 3, and `Refusal` where a patch would change the numbers.
    """
    data = text.encode("utf-8", "surrogatepass")
    chosen = [p for p in (catalogue() if patches is None else patches) if any(n in data for n in p.needles)]
    if not chosen:
        return Rewrite(text, ())
    module, applied = cst.parse_module(text), set[str]()
    helpers: dict[str, str] = {}
    for _ in range(PASSES):
        file = File(text)
        chain = _Chain(file, [patch(file) for patch in chosen])
        module = module.visit(chain)
        applied |= chain.applied
        helpers |= file.helpers
        if not chain.again:
            break
    else:
        raise Refusal(f"patches {', '.join(sorted(applied))} keep rewriting each other's output")
    if not applied:
        return Rewrite(text, ())
    module = _with_helpers(module, helpers)
    return Rewrite(module.code, tuple(p.id() for p in chosen if p.id() in applied))


@cache
def catalogue() -> tuple[type[Patch], ...]:
    """Every patch, in the order of its id.  A file in `patches/` is the registration."""
    package = importlib.import_module("doctor.patches")
    found: list[type[Patch]] = []
    for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
        module = importlib.import_module(f"doctor.patches.{entry.name}")
        classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Patch)]
        found += [value for value in classes if value.__module__ == module.__name__]
    return tuple(found)


Handler = Callable[..., Any]


class _Chain(cst.CSTTransformer):
    """Hands each node to every patch that asked for its type, so that the tree is walked once for all of them."""

    def __init__(self, file: File, patches: Sequence[Patch]) -> None:
        super().__init__()
        self.file, self.applied, self.again = file, set[str](), False
        self.visits: dict[type[cst.CSTNode], list[Handler]] = {}
        self.leaves: dict[type[cst.CSTNode], list[tuple[str, Handler]]] = {}
        for patch in patches:
            for name in dir(patch):
                verb, _, kind = name.partition("_")
                if verb == "visit":
                    self.visits.setdefault(getattr(cst, kind), []).append(getattr(patch, name))
                elif verb == "leave":
                    self.leaves.setdefault(getattr(cst, kind), []).append((patch.id(), getattr(patch, name)))

    def on_visit(self, node: cst.CSTNode) -> bool:
        for visit in self.visits.get(type(node), ()):
            visit(node)
        if isinstance(node, cst.ClassDef | cst.FunctionDef):
            self.file.scope.append(node)
        return True

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        if isinstance(original_node, cst.ClassDef | cst.FunctionDef):
            self.file.scope.pop()
        handlers = self.leaves.get(type(original_node))
        if not handlers:
            return updated_node
        node = updated_node
        for place, (name, leave) in enumerate(handlers):
            left = leave(original_node, node)
            if left is node:
                continue
            self.applied.add(name)
            node = left
            if type(node) is not type(original_node):
                # The patches behind this one know the old type only: they see the new node in another pass.
                self.again |= place + 1 < len(handlers)
                break
        return node

    def on_visit_attribute(self, node: cst.CSTNode, attribute: str) -> None: ...

    def on_leave_attribute(self, original_node: cst.CSTNode, attribute: str) -> None: ...


def _with_helpers(module: cst.Module, helpers: Mapping[str, str]) -> cst.Module:
    """Put the helper functions that are not there yet after the imports, in one block."""
    present = {s.name.value for s in module.body if isinstance(s, cst.FunctionDef)}
    wanted = [source for name, source in sorted(helpers.items()) if name not in present]
    if not wanted:
        return module
    functions = [(i, s.name.value) for i, s in enumerate(module.body) if isinstance(s, cst.FunctionDef)]
    ours = [index for index, name in functions if name.startswith("_doctor_")]
    place = ours[-1] + 1 if ours else _after_imports(module)
    texts = [textwrap.dedent(source).strip() + "\n" for source in wanted]
    parsed = [s for text in texts for s in cst.parse_module(text, module.config_for_parsing).body]
    block = [s.with_changes(leading_lines=[_blank(), _blank()]) for s in parsed]
    if not ours:
        block[0] = block[0].with_changes(leading_lines=[_blank(), _blank(), cst.EmptyLine(comment=cst.Comment(BANNER))])
    return module.with_changes(body=[*module.body[:place], *block, *module.body[place:]])


def _blank() -> cst.EmptyLine:
    return cst.EmptyLine(indent=False)


def _after_imports(module: cst.Module) -> int:
    """Where the helper block goes: behind the last import that precedes every class, function and decorator."""
    place = 0
    for index, statement in enumerate(module.body):
        if isinstance(statement, cst.ClassDef | cst.FunctionDef):
            break
        if _holds_import(statement) or (index == 0 and _is_docstring(statement)):
            place = index + 1
    return place


def _holds_import(statement: cst.CSTNode) -> bool:
    if isinstance(statement, cst.SimpleStatementLine):
        return any(isinstance(part, cst.Import | cst.ImportFrom) for part in statement.body)
    if isinstance(statement, cst.If | cst.Try | cst.IndentedBlock | cst.Else | cst.ExceptHandler):
        return any(_holds_import(child) for child in statement.children)
    return False


def _is_docstring(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.Expr)
