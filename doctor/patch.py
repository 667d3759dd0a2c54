"""The base of every patch, and the one traversal that applies several to a file.

A patch is a libcst rewrite whose output runs on every release of the matrix, old and new, and needs nothing of
ours at run time.  A patch may call a small function it brings along (`helpers`); the functions a file needs are
put once, in one block, before its first class or function.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import libcst as cst

from doctor.importing import with_imports
from doctor.parsing import OURS as OURS
from doctor.parsing import Refusal as Refusal
from doctor.parsing import nodes, uncollected
from doctor.parsing import parsed as parsed
from doctor.traversal import Chain

BANNER = "# Added by tune-doctor: lets this file run on every transformers release from 4.47 to 5.x."
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_END = re.compile(r"(?:\r\n|\r|\n)\Z")
_FOLDED = re.compile(rf"^[ \t]*(?:class|def) {OURS}folded_\d+(?:\(\))?: pass\b", re.MULTILINE)
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


class File:
    """What the patches of one file share: the text as it came, enclosing definitions, and requested helpers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.scope: list[cst.ClassDef | cst.FunctionDef] = []
        self.helpers: dict[str, str] = {}
        self.imports: set[tuple[str, str]] = set()
        """Module and name that a rewritten expression needs and the file does not import yet."""

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
    family: ClassVar[str] = "remote-code"
    """`script`: rewrites people's scripts and notebooks, and never a file of remote code."""
    needles: ClassVar[tuple[bytes, ...]]
    """The file is visited only if its bytes hold one of these."""
    mends: ClassVar[tuple[str, ...]] = ()
    """Constructs of findings that this patch removes: check ids, `attribute:NAME`, `import:MODULE.NAME`."""
    examples: ClassVar[Sequence[Example]]
    proof: ClassVar[str]
    """A file of remote code in miniature that uses the construct and asserts what comes of it.  As it stands it runs on
    the releases of `old` and fails on all others; rewritten by this patch alone it runs on those of `new`.
    """
    helpers: ClassVar[Mapping[str, str]] = {}
    """Functions the output calls: name to source.  Names begin with `_doctor_`."""

    def __init__(self, file: File) -> None:
        self.file = file

    @classmethod
    def id(cls) -> str:
        return cls.__module__.rpartition(".")[2].replace("_", "-")

    def reaches(self, name: str, text: str) -> bool:
        """Whether the rewrite may fall on a class, function or method (`Class.method`), given its name and text.

        Those that no patch reaches are not parsed.  A patch that works where no needle is says so here.
        """
        return any(needle.decode() in text for needle in self.needles)

    def helper(self, name: str) -> cst.Name:
        """The name of one of `helpers`, which will be in the file."""
        self.file.helpers[name] = self.helpers[name]
        return cst.Name(name)

    def import_of(self, module: str, name: str) -> str:
        """A name of a module under which the rewritten file knows it; it will be imported where it is not yet."""
        for node in nodes(self.file.text, ast.ImportFrom):
            if node.module == module and not node.level:
                for alias in node.names:
                    if alias.name == name:
                        return alias.asname or name
        self.file.imports.add((module, name))
        return name


def method(source: str) -> cst.FunctionDef:
    """A method out of its text, with the blank line that stands above one."""
    found = cst.ensure_type(cst.parse_statement(source), cst.FunctionDef)
    return found.with_changes(leading_lines=[cst.EmptyLine(indent=False)])


def with_method(node: cst.ClassDef, source: str) -> cst.ClassDef:
    """A class with one more method, at its end."""
    return node.with_deep_changes(node.body, body=[*node.body.body, method(source)])


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
    if "\r" in text and "\n" not in text:  # libcst loses the last of these line ends
        done = rewrite(text.replace("\r", "\n"), patches)
        return Rewrite(done.text.replace("\n", "\r"), done.patches)
    mark, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    data = text.encode("utf-8", "surrogatepass")
    chosen = [p for p in (catalogue() if patches is None else patches) if any(n in data for n in p.needles)]
    if not chosen:
        return Rewrite(mark + text, ())
    with uncollected():
        whole, applied = _rewritten(text, chosen)
    return Rewrite(mark + whole if applied else mark + text, tuple(p.id() for p in chosen if p.id() in applied))


def _rewritten(text: str, chosen: Sequence[type[Patch]]) -> tuple[str, set[str]]:
    file = File(text)
    patches = [patch(file) for patch in chosen]
    short, folded = _fold(text, patches)
    code, applied = _traversed(file, short, patches)
    try:
        return _unfold(code, folded), applied
    except KeyError:  # a patch took a definition away, or wrote one twice
        file = File(text)
        return _traversed(file, text, [patch(file) for patch in chosen])


def _traversed(file: File, short: str, patches: Sequence[Patch]) -> tuple[str, set[str]]:
    """What the patches make of a file, given shortened, and the ids of those that changed it."""
    module, applied = cst.parse_module(short), set[str]()
    helpers: dict[str, str] = {}
    imports: set[tuple[str, str]] = set()
    for _ in range(PASSES):
        chain = Chain(file, patches)
        module = chain.walk(module)
        applied |= chain.applied
        helpers |= file.helpers
        imports |= file.imports
        if not chain.again:
            return (_with_helpers(with_imports(module, imports), helpers).code if applied else short), applied
        file = File(file.text)
        patches = [type(patch)(file) for patch in patches]
    raise Refusal(f"patches {', '.join(sorted(applied))} keep rewriting each other's output")


def _fold(text: str, patches: Sequence[Patch]) -> tuple[str, dict[str, str]]:
    """A file with one line in place of every class and function that no patch reaches, and what those lines stand for.

    libcst reads half a megabyte a second; most of a modeling file is of no interest to any patch.
    """
    try:
        body = parsed(text).body
    except Refusal:
        return text, {}
    lines, folded = _LINE.findall(text), dict[str, str]()
    for name, node in _definitions(body):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
        last = node.end_lineno or node.lineno
        inside = "".join(lines[first:last])
        # Every patch is asked, also behind one that reaches it: a patch may remember the class for its methods.
        if not lines[first] or name.startswith(OURS) or any([patch.reaches(name, inside) for patch in patches]):
            continue
        kind, call = ("def", "()") if "." in name else ("class", "")
        indent, end = lines[first][: node.col_offset], _END.search(inside)
        line, ending = f"{indent}{kind} {OURS}folded_{len(folded)}{call}: pass", end[0] if end else ""
        folded[line] = inside.removesuffix(ending)
        lines[first:last] = [line + ending, *([""] * (last - first - 1))]
    return "".join(lines), folded


def _definitions(
    body: Iterable[ast.stmt],
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The classes and functions of the top level, each class before its methods."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def _unfold(text: str, folded: Mapping[str, str]) -> str:
    """The file with its classes and functions back.  Raises KeyError where one is not there exactly once."""
    left = dict(folded)
    whole = _FOLDED.sub(lambda found: left.pop(found[0]), text)
    if left:
        raise KeyError(*left)
    return whole


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


def _with_helpers(module: cst.Module, helpers: Mapping[str, str]) -> cst.Module:
    """Put the helper functions that are not there yet after the imports, in one block."""
    present = {s.name.value for s in module.body if isinstance(s, cst.FunctionDef)}
    wanted = [source for name, source in sorted(helpers.items()) if name not in present]
    if not wanted:
        return module
    functions = [(i, s.name.value) for i, s in enumerate(module.body) if isinstance(s, cst.FunctionDef)]
    ours = [index for index, name in functions if name.startswith("_doctor_")]
    place = ours[-1] + 1 if ours else min(after_imports(module), _first_use(module, helpers))
    texts = [textwrap.dedent(source).strip() + "\n" for source in wanted]
    bodies = [cst.parse_module(text, module.config_for_parsing).body for text in texts]
    block = [s.with_changes(leading_lines=[_blank(), _blank()]) for body in bodies for s in body]
    if not ours:
        above = [_blank(), _blank()] if place else []
        block[0] = block[0].with_changes(leading_lines=[*above, cst.EmptyLine(comment=cst.Comment(BANNER))])
    rest = [*module.body[place:]]
    if rest and _blanks(rest[0]) < 2:
        rest[0] = rest[0].with_changes(leading_lines=[_blank(), _blank(), *rest[0].leading_lines[_blanks(rest[0]) :]])
    return module.with_changes(body=[*module.body[:place], *block, *rest])


def _blank() -> cst.EmptyLine:
    return cst.EmptyLine(indent=False)


def _blanks(statement: Any) -> int:
    """How many blank lines stand before a statement and its comments."""
    commented = [index for index, line in enumerate(statement.leading_lines) if line.comment]
    return commented[0] if commented else len(statement.leading_lines)


def after_imports(module: cst.Module) -> int:
    """Where the helper block goes: behind the last import that precedes every class, function and decorator."""
    place = 0
    for index, statement in enumerate(module.body):
        if isinstance(statement, cst.ClassDef | cst.FunctionDef):
            break
        if _holds_import(statement) or (index == 0 and _is_docstring(statement)):
            place = index + 1
    return place


def _first_use(module: cst.Module, names: Iterable[str]) -> int:
    """The statement before which the helpers must stand: the first that calls one, outside of every definition."""
    for index, statement in enumerate(module.body):
        if not isinstance(statement, cst.ClassDef | cst.FunctionDef):
            code = module.code_for_node(statement)
            if any(f"{name}(" in code for name in names):
                return index
    return len(module.body)


def _holds_import(statement: cst.CSTNode) -> bool:
    if isinstance(statement, cst.SimpleStatementLine):
        return any(isinstance(part, cst.Import | cst.ImportFrom) for part in statement.body)
    if isinstance(statement, cst.If | cst.Try | cst.IndentedBlock | cst.Else | cst.ExceptHandler):
        return any(_holds_import(child) for child in statement.children)
    return False


def _is_docstring(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.Expr)
