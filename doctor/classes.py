"""The classes of one file: who derives from whom, and which class an attribute is an instance of."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from doctor.nodes import Nodes
from doctor.parsing import walked
from doctor.releases import related

MAKES_CACHE = re.compile(r"Cache\(|_legacy_cache|past_key_values\[|past_key_value\[")
"""How a file makes a cache, or shows that its own is a tuple."""


class Classes:
    """What patches and checks ask about the top-level classes of a file; names are those in the file."""

    def __init__(self, source: str | Nodes) -> None:
        self._file = walked(source) if isinstance(source, str) else source
        self.nodes = {node.name: node for node in self._file.tree.body if isinstance(node, ast.ClassDef)}
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

    def is_model(self, name: str) -> bool:
        """Whether a class is a model of transformers, be its `...PreTrainedModel` the library's or another file's."""
        return any(
            base.endswith("PreTrainedModel") and base not in self.nodes for base in self.lineage(name) if base != name
        )

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
        lines = self._file.within(init, ast.Assign) if init else []
        values = {ast.unparse(target): node.value for node in lines for target in node.targets}
        value = values.get(f"self.{attribute}")
        if isinstance(value, ast.Name):  # made beforehand, under a local name
            value = values.get(value.id)
        made = ast.unparse(value.func) if isinstance(value, ast.Call) else ""
        return made if made in self.nodes else None

    def input_embeddings(self, name: str) -> str | None:
        """Where `get_input_embeddings` finds the embedding, as a path from the model (`model.embed_tokens`)."""
        method = self.method(name, "get_input_embeddings")
        if method is None:
            return self._through(name, self.constant(name, "base_model_prefix") or self._inner_model(name))
        path = _returned(method)
        if path.endswith(".get_input_embeddings()"):
            return self._through(name, path.removeprefix("self.").removesuffix(".get_input_embeddings()"))
        return _attribute(path)

    def untold_tie(self, name: str) -> tuple[str, str] | None:
        """Head and embedding (`lm_head`, `model.embed_tokens`) of a model that does not say what it ties."""
        own = {getattr(node, "name", "") for node in self.nodes[name].body}
        told = any(self.method(name, method) for method in ("tie_weights", "_tie_weights"))
        if "get_output_embeddings" not in own or told or self.assigns(name, "_tied_weights_keys"):
            return None
        head = self.method(name, "get_output_embeddings") if self.is_model(name) else None
        paths = (_attribute(_returned(head)), self.input_embeddings(name)) if head else (None, None)
        init = self.method(name, "__init__")
        several = init is not None and any(f"self.{path} = nn.ModuleList(" in ast.unparse(init) for path in paths)
        return (paths[0], paths[1]) if paths[0] and paths[1] and not several else None

    def headed(self, name: str) -> bool:
        """Whether a model that the library does not have shows its head, and leaves to the library what is missing."""
        own = {getattr(node, "name", "") for node in self.nodes[name].body}
        told = self.method(name, "mark_tied_weights_as_initialized")
        if "get_output_embeddings" not in own or told or not self.is_model(name) or related(name):
            return False
        head = self.method(name, "get_output_embeddings")
        return head is not None and _attribute(_returned(head)) is not None

    def places_own_states(self, name: str) -> bool:
        """Whether a model that generates is told the places of its tokens, and no cache to count them off."""
        lineage = list(self.lineage(name))
        forward = self.method(name, "forward") if self.is_model(name) and "GenerationMixin" in lineage else None
        if forward is None or self.method(name, "prepare_inputs_for_generation"):
            return False
        taken = {one.arg for one in (*forward.args.args, *forward.args.kwonlyargs)}
        return {"cache_position", "use_cache"} <= taken and taken.isdisjoint({"past_key_values", "cache_params"})

    def leaves_cache(self, name: str, text: str) -> bool:
        """Whether a model that generates takes a cache, in a file (its `text`) that makes none."""
        if "GenerationMixin" not in self.bases(name) or not self.is_model(name) or MAKES_CACHE.search(text):
            return False
        forward = self.method(name, "forward")
        own = any(self.method(name, one) for one in ("prepare_inputs_for_generation", "_prepare_cache_for_generation"))
        return not own and forward is not None and "past_key_values" in {one.arg for one in forward.args.args}

    def assigns(self, name: str, attribute: str) -> bool:
        """Whether the body of a class, or of one of the file that it derives from, assigns an attribute."""
        return any(
            attribute in map(ast.unparse, node.targets if isinstance(node, ast.Assign) else [node.target])
            for owner in self.lineage(name)
            for node in (self.nodes[owner].body if owner in self.nodes else ())
            if isinstance(node, ast.Assign | ast.AnnAssign)
        )

    def located(self, name: str, path: str) -> str:
        """A parameter's full path, where a path begins inside a model that the class holds.

        In transformers 4 `encoder.embed_tokens.weight` also named `model.encoder.embed_tokens.weight`.
        """
        first, _, rest = path.partition(".")
        held = self.member(name, first)
        if held is not None and rest:
            return f"{first}.{self.located(held, rest)}"
        inner = self.constant(name, "base_model_prefix") or self._inner_model(name)
        holder = self.member(name, inner) if inner else None
        if holder is None or holder == name or self.holds(name, first) or not self.holds(holder, first):
            return path
        return f"{inner}.{self.located(holder, path)}"

    def holds(self, name: str, attribute: str) -> bool:
        """Whether the `__init__` of a class assigns `self.<attribute>`."""
        init = self.method(name, "__init__")
        lines = self._file.within(init, ast.Assign) if init else []
        return any(ast.unparse(target) == f"self.{attribute}" for line in lines for target in line.targets)

    def _inner_model(self, name: str) -> str | None:
        """The attribute that `__init__` makes a model of the file, where there is one such attribute."""
        init = self.method(name, "__init__")
        made = self._file.within(init, ast.Assign) if init else []
        paths = {_attribute(ast.unparse(target)) for node in made for target in node.targets}
        inner = [path for path in paths if path and (cls := self.member(name, path)) and self.is_model(cls)]
        return inner[0] if len(inner) == 1 else None

    def _through(self, name: str, attribute: str | None) -> str | None:
        inner = self.member(name, attribute) if attribute else None
        rest = self.input_embeddings(inner) if inner and inner != name else None
        return f"{attribute}.{rest}" if rest else None

    def called_by(self, method: str) -> set[str]:
        """A method and those that it calls on `self`, in whichever class of the file."""
        methods = [node for owner in self.nodes.values() for node in owner.body if isinstance(node, ast.FunctionDef)]
        named: dict[str, list[ast.FunctionDef]] = defaultdict(list)
        for node in methods:
            named[node.name].append(node)
        reached, waiting = set[str](), {method}
        while waiting:
            reached |= waiting
            bodies = [node for name in waiting for node in named.get(name, ())]
            calls = (_called_on_self(call) for node in bodies for call in self._file.within(node, ast.Call))
            waiting = {name for name in calls if name} - reached
        return reached & named.keys()


def _called_on_self(call: ast.Call) -> str | None:
    """The method's name, where a call is `self.method(...)`."""
    func = call.func
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "self":
        return func.attr
    return None


def _returned(method: ast.FunctionDef) -> str:
    """What a method returns, where that is one expression."""
    answers = [node.value for node in ast.walk(method) if isinstance(node, ast.Return) and node.value]
    return ast.unparse(answers[0]) if len(answers) == 1 else ""


def _attribute(path: str) -> str | None:
    """`self.model.embed_tokens` -> `model.embed_tokens`; None for anything that is no plain attribute."""
    plain = path.startswith("self.") and all(part.isidentifier() for part in path.split("."))
    return path.removeprefix("self.") if plain else None
