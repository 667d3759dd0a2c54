"""The classes of one file: who derives from whom, and which class an attribute is an instance of."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.parsing import parsed


class Classes:
    """What patches and checks ask about the top-level classes of a file; names are those in the file."""

    def __init__(self, source: str | ast.Module) -> None:
        body = (parsed(source) if isinstance(source, str) else source).body
        self.nodes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
        self._bases: dict[str, list[str]] = {}

    def bases(self, name: str) -> list[str]:
        """The last part of each base's name (`modeling_utils.PreTrainedModel` -> `PreTrainedModel`)."""
        if name not in self._bases:
            bases = self.nodes[name].bases if name in self.nodes else []
            self._bases[name] = [ast.unparse(base).rpartition(".")[2] for base in bases]
        return self._bases[name]

    def lineage(self, name: str) -> Iterator[str]:
        """A class and the classes it derives from, nearest first, as far as the file tells."""
        waiting, seen = [name], set[str]()
        while waiting:
            name = waiting.pop(0)
            if name not in seen:
                seen.add(name)
                yield name
                waiting += self.bases(name)

    def derives(self, name: str, root: str) -> bool:
        """Whether a class is, directly or through classes of the file, a subclass of `root`."""
        return name != root and root in self.lineage(name)

    def method(self, name: str, method: str) -> ast.FunctionDef | None:
        """A class's own or inherited method, where it is in the file."""
        for owner in self.lineage(name):
            for node in self.nodes[owner].body if owner in self.nodes else ():
                if isinstance(node, ast.FunctionDef) and node.name == method:
                    return node
        return None

    def constant(self, name: str, attribute: str) -> str | None:
        """A class's own or inherited string attribute."""
        for owner in self.lineage(name):
            for node in self.nodes[owner].body if owner in self.nodes else ():
                if isinstance(node, ast.Assign) and any(ast.unparse(t) == attribute for t in node.targets):
                    value = node.value.value if isinstance(node.value, ast.Constant) else None
                    return value if isinstance(value, str) else None
        return None

    def member(self, name: str, attribute: str) -> str | None:
        """The class of the file that `__init__` makes `self.<attribute>` an instance of."""
        init = self.method(name, "__init__")
        for node in ast.walk(init) if init else ():
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                made = ast.unparse(node.value.func)
                if any(ast.unparse(target) == f"self.{attribute}" for target in node.targets) and made in self.nodes:
                    return made
        return None

    def input_embeddings(self, name: str) -> str | None:
        """Where `get_input_embeddings` finds the embedding, as a path from the model (`model.embed_tokens`)."""
        method = self.method(name, "get_input_embeddings")
        if method is None:
            return self._through(name, self.constant(name, "base_model_prefix"))
        answers = [node.value for node in ast.walk(method) if isinstance(node, ast.Return) and node.value]
        path = ast.unparse(answers[0]) if len(answers) == 1 else ""
        if path.endswith(".get_input_embeddings()"):
            return self._through(name, path.removeprefix("self.").removesuffix(".get_input_embeddings()"))
        plain = path.startswith("self.") and all(part.isidentifier() for part in path.split("."))
        return path.removeprefix("self.") if plain else None

    def _through(self, name: str, attribute: str | None) -> str | None:
        inner = self.member(name, attribute) if attribute else None
        rest = self.input_embeddings(inner) if inner and inner != name else None
        return f"{attribute}.{rest}" if rest else None

    def called_by(self, method: str) -> set[str]:
        """A method and those that it calls on `self`, in whichever class of the file."""
        methods = [node for owner in self.nodes.values() for node in owner.body if isinstance(node, ast.FunctionDef)]
        calls = {node.name: set[str]() for node in methods}
        for node in methods:
            calls[node.name] |= {name for inner in ast.walk(node) if (name := _called_on_self(inner))}
        reached, waiting = set[str](), {method}
        while waiting:
            reached |= waiting
            waiting = {name for called in waiting for name in calls.get(called, ())} - reached
        return reached & calls.keys()


def _called_on_self(node: ast.AST) -> str | None:
    """The method's name, where a node is `self.method(...)`."""
    func = node.func if isinstance(node, ast.Call) else None
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "self":
        return func.attr
    return None
