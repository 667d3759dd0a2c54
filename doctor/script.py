"""What the calls of a script hand over to the libraries, also by dictionaries, partials, aliases and subclasses.

Checks (`ast`) and patches (`libcst`) ask the same questions by dotted names and scopes, so that what is found is what
is rewritten.  A scope is the names of the definitions around a node, outermost first.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from doctor.remembered import remembered
from doctor.scopes import Scope, assignments, dotted, imports, is_super, namespace, scoped, variable, within

LIBRARIES = frozenset({"transformers", "trl", "peft", "accelerate", "datasets", "huggingface_hub"})
MENTIONED = (
    *(b"transformers", b"accelerate", b"datasets", b"huggingface_hub"),
    *(b"from trl", b"import trl", b"from peft", b"import peft"),
)
"""One of these is in every file that imports one of them; nearly every file has the words `from` and `import`."""
HOMES = frozenset({"transformers", "trl", "peft"})
"""Whose classes have a `from_pretrained` that this catalogue knows."""
MODEL = "transformers.PreTrainedModel"
TOKENIZER = "transformers.PreTrainedTokenizerBase"
CONFIG = "transformers.PreTrainedConfig"
METHODS = frozenset({"from_pretrained", "push_to_hub", "save_pretrained", "apply_chat_template", "train"})
MODEL_KEYWORDS = frozenset({"model_kwargs", "model_init_kwargs"})
"""Keywords whose dictionaries are unpacked into a model's `from_pretrained`."""
SETTINGS = r"TrainingArguments$|^trl\.\w+Config$"
TELLING = (
    *(ast.Call, ast.Return, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.Subscript),
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Try),
)
"""The nodes that say what is called, or what a name stands for."""
PARTIAL = frozenset({"functools.partial", "partial"})


@dataclass(frozen=True)
class Callee:
    """A function or class of a library, under its canonical name (`transformers.TrainingArguments`)."""

    name: str
    spelled: str = ""
    """How the script names it where it is called."""
    own: frozenset[str] = frozenset()
    """Parameters that the script's own subclass takes itself."""


@dataclass(frozen=True)
class Argument:
    """A keyword that reaches a library."""

    callee: Callee
    name: str
    value: ast.expr
    node: ast.AST
    """What to point at: the keyword, the key of a dictionary."""


class Script:
    """A module, read for what its names stand for."""

    def __init__(self, tree: ast.Module) -> None:
        told = list(scoped(tree, (), (*TELLING, ast.Attribute)))
        self.nodes = [(node, scope) for node, scope in told if not isinstance(node, ast.Attribute)]
        self.attributes = [(node, scope) for node, scope in told if isinstance(node, ast.Attribute)]
        self.assigned = [(target, value, scope) for node, scope in self.nodes for target, value in assignments(node)]
        self._called: dict[ast.Call, Callee | None] = {}
        self.imports = dict(imports(node for node, _ in self.nodes))
        self.classes = {node.name: node for node, _ in self.nodes if isinstance(node, ast.ClassDef)}
        self.bound: set[tuple[Scope, str]] = set()
        self.aliases: dict[str, str] = {}
        self.kinds: dict[tuple[Scope, str], Callee] = {}
        self.dictionaries: dict[tuple[Scope, str], Callee] = {}
        """Variables that are handed over with `**`, and to what; functions whose answer is, as `name()`."""
        self._bind()
        for _ in range(2):  # a dictionary may be unpacked into another one further up
            self._follow()

    def _bind(self) -> None:
        for node, scope in self.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._parameters(node, (*scope, node.name))
            for target, value in assignments(node):
                if name := variable(target):
                    self.bound.add((within(name, scope), name))
                if isinstance(target, ast.Name):
                    self._alias(target.id, value)
        for target, value, scope in self.assigned:
            self._kind(target, value, scope)

    def _parameters(self, function: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        for parameter in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
            self.bound.add((scope, parameter.arg))
            if parameter.annotation is not None and (callee := self.callee(dotted(parameter.annotation))):
                self.kinds[scope, parameter.arg] = callee

    def _alias(self, name: str, value: ast.expr | None) -> None:
        if isinstance(value, ast.IfExp):
            value = value.body
        if isinstance(value, ast.Call) and self.full(dotted(value.func)) in PARTIAL and value.args:
            value = value.args[0]
        if value is not None and (text := dotted(value)) and text != name and name not in self.imports:
            self.aliases.setdefault(name, text)

    def _kind(self, target: ast.expr, value: ast.expr | None, scope: Scope) -> None:
        if not isinstance(value, ast.Call):
            return
        name = variable(target)
        if name and (callee := self.callee(dotted(value.func))):
            self.kinds[within(name, scope), name] = callee
        elif isinstance(value.func, ast.Attribute) and value.func.attr.startswith("parse_"):
            parser = self._parser(value.func.value)
            targets = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
            for each, kind in zip(targets, parser, strict=False):
                if isinstance(each, ast.Name) and (callee := self.callee(dotted(kind))):
                    self.kinds[scope, each.id] = callee

    def _parser(self, node: ast.expr) -> list[ast.expr]:
        """The classes of an HfArgumentParser: the call itself or a variable that holds it."""
        calls = [node] if isinstance(node, ast.Call) else []
        name = dotted(node)
        calls += [v for target, v, _ in self.assigned if isinstance(v, ast.Call) and dotted(target) == name]
        for call in calls:
            if (dotted(call.func) or "").endswith("HfArgumentParser"):
                given = [*call.args, *(k.value for k in call.keywords if k.arg == "dataclass_types")][:1]
                return [e for g in given for e in (g.elts if isinstance(g, ast.Tuple | ast.List) else [g])]
        return []

    def _follow(self) -> None:
        for node, scope in self.nodes:
            if isinstance(node, ast.Call):
                if callee := self.called(node, scope):
                    for keyword in node.keywords:
                        inner = callee if keyword.arg is None else pretrained_keyword(keyword.arg)
                        if inner:
                            self._unpacked(keyword.value, scope, inner)
                if node.args and (callee := self.parsed_settings(node)):
                    self._unpacked(node.args[0], scope, callee)
            elif isinstance(node, ast.Return):
                if node.value and (callee := self._answer(node, scope)):
                    self._unpacked(node.value, scope, callee)
            else:
                for target, value in assignments(node):
                    name = variable(target)
                    if name and value and (callee := self.dictionary(name, scope)):
                        self._unpacked(value, scope, callee)

    def parsed_settings(self, call: ast.Call) -> Callee | None:
        """The class of TrainingArguments that a call of an HfArgumentParser's `parse_...` makes."""
        if not isinstance(call.func, ast.Attribute) or not call.func.attr.startswith("parse_"):
            return None
        found = (self.callee(dotted(kind)) for kind in self._parser(call.func.value))
        return next((c for c in found if c and re.search(SETTINGS, c.name)), None)

    def _answer(self, node: ast.AST, scope: Scope) -> Callee | None:
        """To what the dictionary is handed over that a statement returns."""
        if isinstance(node, ast.Return) and node.value and scope:
            return self.dictionary(f"{scope[-1]}()", scope)
        return None

    def _unpacked(self, value: ast.expr, scope: Scope, callee: Callee) -> None:
        """Remember every variable that a value handed over with `**` is made of."""
        if name := variable(value):
            self.dictionaries[self._home(name, scope), name] = callee
        elif isinstance(value, ast.Dict):
            for key, inner in zip(value.keys, value.values, strict=True):
                if key is None:
                    self._unpacked(inner, scope, callee)
        elif isinstance(value, ast.BinOp):
            self._unpacked(value.left, scope, callee)
            self._unpacked(value.right, scope, callee)
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            if value.func.id == "dict":
                for inner in (*value.args, *(k.value for k in value.keywords if k.arg is None)):
                    self._unpacked(inner, scope, callee)
            else:
                self.dictionaries[(), f"{value.func.id}()"] = callee

    def _home(self, name: str, scope: Scope) -> Scope:
        """The scope in which a name is bound, seen from another one."""
        return next((scope[:n] for n in range(len(scope), -1, -1) if (scope[:n], name) in self.bound), ())

    def dictionary(self, name: str, scope: Scope) -> Callee | None:
        """To what a variable (or the answer of a function, `name()`) is handed over with `**`."""
        home = () if name.endswith("()") else self._home(name, scope)
        return self.dictionaries.get((home, name))

    def kind(self, name: str, scope: Scope) -> Callee | None:
        """Of what class a variable is an instance."""
        return self.kinds.get((self._home(name, scope), name))

    def full(self, text: str | None) -> str:
        """A dotted name with the script's import, or alias, of its first part spelled out."""
        for _ in range(3):
            first, dot, rest = (text or "").partition(".")
            if first not in self.aliases or first in self.imports:
                break
            text = self.aliases[first] + dot + rest
        first, dot, rest = (text or "").partition(".")
        return self.imports.get(first, first) + dot + rest

    def callee(self, text: str | None) -> Callee | None:
        """What a dotted name in a script stands for, None where it is of no library in question."""
        if not text:
            return None
        full = self.full(text)
        first, _, rest = full.partition(".")
        if first in LIBRARIES and rest:
            return Callee(f"{first}.{rest.rpartition('.')[2]}", text)
        if "." not in full and full in self.classes:
            return self._subclass(self.classes[full], text)
        return None

    def _subclass(self, defined: ast.ClassDef, text: str) -> Callee | None:
        bases = [b for base in defined.bases if dotted(base) not in (None, defined.name) and (b := self.base(base))]
        if not bases:
            return None
        own = {n.target.id for n in defined.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
        for function in defined.body:
            if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                own |= {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
                own |= set() if function.args.kwarg else {"*"}
        return replace(bases[0], spelled=text, own=frozenset(own | bases[0].own))

    def base(self, node: ast.expr) -> Callee | None:
        """The class of a library that a base class is, or is derived from."""
        full = self.full(dotted(node))
        first, _, rest = full.partition(".")
        if first in LIBRARIES and rest:
            return Callee(f"{first}.{rest.rpartition('.')[2]}", dotted(node) or "")
        inner = self.classes.get(full)
        if inner is None or node in inner.bases:
            return None
        return next((b for base in inner.bases if dotted(base) != full and (b := self.base(base))), None)

    def method(self, receiver: str | None, name: str, scope: Scope) -> Callee | None:
        """What `receiver.name(...)` calls, where it is a method that the catalogue knows."""
        if name not in METHODS or receiver is None:
            return None
        if name == "train":
            kind = self.kind(receiver, scope)
            named = kind.name.endswith("Trainer") if kind else re.search(r"(?i)(^|_)trainer$", receiver)
            return Callee("transformers.Trainer.train", receiver) if named else None
        full = self.full(receiver)
        first, last = full.partition(".")[0], full.rpartition(".")[2]
        imported = first in self.imports.values() or receiver.partition(".")[0] in self.imports
        if imported and first not in HOMES and not full.startswith("."):
            return None
        if re.match(r"(Flax|TF)[A-Z]", last):  # their `dtype` is jax's; they left with transformers 5
            return None
        own = self.classes.get(full)
        if own is not None and any(getattr(member, "name", "") == name for member in own.body):
            return None
        owner = MODEL
        if re.search(r"(?i)token|processor|extractor", last):
            owner = TOKENIZER
        elif re.search(r"(?i)config$", last):
            owner = CONFIG
        return Callee(f"{owner}.{name}", receiver)

    def called(self, call: ast.Call, scope: Scope) -> Callee | None:
        """What a call of the module calls."""
        if call not in self._called:
            self._called[call] = self._calls(call, scope)
        return self._called[call]

    def _calls(self, call: ast.Call, scope: Scope) -> Callee | None:
        if callee := self.called_by(dotted(call.func), call.func, scope):
            return callee
        full = self.full(dotted(call.func))
        if call.args and full in PARTIAL:
            return self.callee(dotted(call.args[0])) or self.called_by(dotted(call.args[0]), call.args[0], scope)
        if call.args and full in ("dataclasses.replace", "replace") and isinstance(call.args[0], ast.Name):
            return self.kind(call.args[0].id, scope)
        return None

    def called_by(self, text: str | None, func: ast.expr | None, scope: Scope) -> Callee | None:
        """What a dotted name calls; `func` is needed for `super().__init__` alone."""
        if text is None:
            over = isinstance(func, ast.Attribute) and func.attr == "__init__" and is_super(func.value)
            return self.super_class(scope) if over else None
        receiver, _, last = text.rpartition(".")
        if receiver and (method := self.method(receiver, last, scope)):
            return method
        return self.callee(text)

    def super_class(self, scope: Scope) -> Callee | None:
        """The library's class behind `super()` in a method."""
        around = next((self.classes[name] for name in reversed(scope) if name in self.classes), None)
        return next((b for base in around.bases if (b := self.base(base))), None) if around else None

    def sets_own(self, scope: Scope, name: str) -> bool:
        """Whether the class around sets `self.name`, or defines it."""
        around = next((self.classes[part] for part in reversed(scope) if part in self.classes), None)
        for node in ast.walk(around) if around else ():
            if any(dotted(target) == f"self.{name}" for target, _ in assignments(node)):
                return True
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return True
        return False

    def arguments(self) -> Iterator[Argument]:
        """Every keyword that reaches a library, by whatever way."""
        for node, scope in self.nodes:
            if isinstance(node, ast.Call):
                if callee := self.called(node, scope):
                    yield from _keywords(callee, node)
                elif isinstance(node.func, ast.Attribute) and node.func.attr == "update":
                    callee = self.dictionary(dotted(node.func.value) or "", scope)
                    yield from _entries(callee, node) if callee else ()
                if callee := self.parsed_settings(node):
                    yield from self._parsed(node, callee)
                continue
            for target, value in assignments(node):
                yield from self._stored(target, value, scope)
            if callee := self._answer(node, scope):
                assert isinstance(node, ast.Return) and node.value
                yield from _entries(callee, node.value)

    def through_namespaces(self) -> Iterator[Argument]:
        """Options of argparse, and fields of a dataclass, that reach a call by `**vars(...)` or `**asdict(...)`."""
        for node, scope in self.nodes:
            callee = self.called(node, scope) if isinstance(node, ast.Call) else None
            for keyword in node.keywords if isinstance(node, ast.Call) and callee else ():
                source = namespace(keyword.value) if keyword.arg is None else None
                if source is None or callee is None:
                    continue
                yield from self._options(callee)
                own = self._instance(source, scope)
                for member in own.body if own else ():
                    if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                        yield Argument(callee, member.target.id, member.value or member.target, member)

    def _instance(self, text: str, scope: Scope) -> ast.ClassDef | None:
        """The class of the script that a variable, or a call, is an instance of."""
        for target, value, _ in self.assigned:
            if dotted(target) == text and isinstance(value, ast.Call):
                return self.classes.get(dotted(value.func) or "")
        return self.classes.get(text)

    def _options(self, callee: Callee) -> Iterator[Argument]:
        for node, _ in self.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
                names = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                long = next((name for name in names if name.startswith("--")), "")
                if long:
                    yield Argument(callee, long[2:].replace("-", "_"), node, node)

    def _parsed(self, call: ast.Call, callee: Callee) -> Iterator[Argument]:
        """What a parser of settings is given: a dictionary, or the words of a command line."""
        for given in (*call.args, *(keyword.value for keyword in call.keywords)):
            yield from _entries(callee, given)
            for word in given.elts if isinstance(given, ast.List | ast.Tuple) else ():
                if isinstance(word, ast.Constant) and isinstance(word.value, str) and word.value.startswith("--"):
                    yield Argument(callee, word.value[2:].partition("=")[0].replace("-", "_"), word, word)

    def reads(self) -> Iterator[Argument]:
        """Every attribute that is read or set on the arguments of a training run: `training_args.no_cuda`."""
        for node, scope in self.attributes:
            if callee := self.settings(dotted(node.value), scope):
                yield Argument(callee, node.attr, node, node)
            elif node.attr == "tokenizer" and (trainer := self.trainer(dotted(node.value), scope)):
                yield Argument(trainer, node.attr, node, node)

    def handed_to_callbacks(self) -> Iterator[Argument]:
        """Every keyword that a method of a TrainerCallback names, or takes out of its `kwargs`."""
        for owner, defined in self.classes.items():
            callee = next((b for base in defined.bases if (b := self.base(base))), None)
            if callee is None or callee.name != "transformers.TrainerCallback":
                continue
            for node, scope in self.nodes:
                if owner not in scope[:-1]:
                    if isinstance(node, ast.FunctionDef) and node in defined.body and node.name.startswith("on_"):
                        for parameter in (*node.args.args[1:], *node.args.kwonlyargs):
                            yield Argument(callee, parameter.arg, ast.Name(parameter.arg), parameter)
                    continue
                if isinstance(node, ast.Subscript) and dotted(node.value) == "kwargs":
                    key: ast.expr | None = node.slice
                elif isinstance(node, ast.Call) and dotted(node.func) in ("kwargs.get", "kwargs.pop") and node.args:
                    key = node.args[0]
                else:
                    continue
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield Argument(callee, key.value, key, node)

    def trainer(self, text: str | None, scope: Scope) -> Callee | None:
        """The class of Trainer that a name is an instance of, and that has no tokenizer of its own."""
        kind = self.kind(text, scope) if text else None
        if text == "self" and not self.sets_own(scope, "tokenizer"):
            kind = self.super_class(scope)
        return kind if kind and kind.name.endswith("Trainer") and "tokenizer" not in kind.own else None

    def settings(self, text: str | None, scope: Scope) -> Callee | None:
        """The class of TrainingArguments that a dotted name is an instance of."""
        if text is None:
            return None
        known = self.kind(text, scope)
        if known is not None:
            return known if re.search(SETTINGS, known.name) else None
        if text == "self.args" and (over := self.super_class(scope)) and over.name.endswith("Trainer"):
            return Callee("transformers.TrainingArguments", text)
        owner, _, last = text.rpartition(".")
        if owner and last == "args":
            kind = self.kind(owner, scope)
            return Callee("transformers.TrainingArguments", text) if kind and kind.name.endswith("Trainer") else None
        return None

    def fields(self) -> Iterator[Argument]:
        """Every field that a class of the script derived from TrainingArguments declares."""
        for defined in self.classes.values():
            callee = next((b for base in defined.bases if (b := self.base(base))), None)
            if callee is None or not re.search(SETTINGS, callee.name):
                continue
            for node in defined.body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                    yield Argument(callee, node.target.id, node.value, node)

    def _stored(self, target: ast.expr, value: ast.expr | None, scope: Scope) -> Iterator[Argument]:
        if value is None:
            return
        name = variable(target)
        if name and (callee := self.dictionary(name, scope)):
            yield from _entries(callee, value)
        elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            key = target.slice.value
            if isinstance(key, str) and (callee := self.dictionary(dotted(target.value) or "", scope)):
                yield Argument(callee, key, value, target)


def pretrained_keyword(name: str) -> Callee | None:
    """`from_pretrained`, where a keyword holds arguments of it."""
    return Callee(f"{MODEL}.from_pretrained") if name in MODEL_KEYWORDS else None


@remembered(2)
def script_of(tree: ast.Module) -> Script:
    """The Script of a parsed file, made once for all checks and patches that ask."""
    return Script(tree)


def _keywords(callee: Callee, call: ast.Call) -> Iterator[Argument]:
    for keyword in call.keywords:
        if keyword.arg is None:
            yield from _entries(callee, keyword.value)
            continue
        yield Argument(callee, keyword.arg, keyword.value, keyword)
        if inner := pretrained_keyword(keyword.arg):
            yield from _entries(inner, keyword.value)


def _entries(callee: Callee, value: ast.expr) -> Iterator[Argument]:
    """The entries of a dictionary that is written out."""
    if isinstance(value, ast.Dict):
        for key, inner in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield Argument(callee, key.value, inner, key)
            elif key is None:
                yield from _entries(callee, inner)
    elif isinstance(value, ast.BinOp):
        yield from _entries(callee, value.left)
        yield from _entries(callee, value.right)
    elif isinstance(value, ast.Call) and dotted(value.func) in ("dict",):
        yield from _keywords(callee, value)
        for inner in value.args:
            yield from _entries(callee, inner)
    elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "update":
        for keyword in value.keywords:
            if keyword.arg is not None:
                yield Argument(callee, keyword.arg, keyword.value, keyword)
        for inner in value.args:
            yield from _entries(callee, inner)
