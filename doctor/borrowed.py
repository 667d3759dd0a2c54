"""What a file of remote code takes from the library's models, and whether it uses it as transformers 4.47 had it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from doctor.classes import Classes
from doctor.parsing import nodes
from doctor.remembered import remembered

FAMILIES = (
    *("Cohere", "Gemma", "Gemma2", "Llama", "Mistral", "Mixtral", "Olmo", "Phi", "Phi3", "Qwen2", "Starcoder2"),
)
"""Models whose attention, since transformers 4.48, is handed the rotary embedding and returns two values."""
MODULE = re.compile(r"transformers\.models\.(\w+)\.modeling_\1")
OLD = ("{}FlashAttention2", "{}SdpaAttention", "{}_ATTENTION_CLASSES")
"""What only such files take: these names went with the old way."""
TAKEN = "transformers.models."
"""How an import from a model's own file is spelled."""
IMPORTED = re.compile(rb"from transformers\.models\.(?<!Copied from transformers\.models\.)")
"""The same among a file's bytes, told apart from a comment that says where code was copied from."""
INHERITED = re.compile(
    rf"from transformers(?:\.models\.\w+\.modeling_\w+)? import (?:\([^)]*|[^\n]*)\b(?:{'|'.join(FAMILIES)})Model\b"
)
"""An import of a whole model."""
MASKS = "_update_causal_mask"
"""The method that made the mask of the library's models up to transformers 4.52."""


class Borrowed(NamedTuple):
    """One imported name: where from, what for."""

    module: str
    family: str
    name: str
    local: str
    alias: ast.alias

    @property
    def gone(self) -> bool:
        """Whether the name itself is none of newer releases."""
        return self.name != f"{self.family}Attention"


def names(family: str) -> tuple[str, ...]:
    """What can be borrowed of a family, its attention class first."""
    return (f"{family}Attention", *(form.format(family.upper() if "_" in form else family) for form in OLD))


@remembered(8)
def borrowed(text: str) -> tuple[Borrowed, ...]:
    """The attention classes that a file imports, and uses as transformers up to 4.47 had them."""
    found = tuple(_imported(text)) if TAKEN in text else ()
    if not found or any(_patched(text, {one.local for one in found})):
        return ()
    if inside(text):
        return tuple(one for one in found if one.gone)
    return found if any(one.gone for one in found) or _unpacks_three(text, {one.local for one in found}) else ()


def inside(text: str) -> bool:
    """Whether the file's attention goes into layers whose `forward` is the library's: that calls it in the new way."""
    classes = Classes(text)
    layers = {f"{family}DecoderLayer" for family in FAMILIES} - classes.nodes.keys()
    heirs = (name for name in classes.nodes if layers & set(classes.lineage(name)))
    return any(not classes.method(name, "forward") for name in heirs)


def _imported(text: str) -> Iterator[Borrowed]:
    guarded = {
        inner
        for outer in nodes(text, ast.Try)
        for part in outer.body
        for inner in ast.walk(part)
        if isinstance(inner, ast.ImportFrom)
    }
    families = {name: family for family in FAMILIES for name in names(family)}
    for node in nodes(text, ast.ImportFrom):
        if node in guarded or node.level or not MODULE.fullmatch(node.module or ""):
            continue
        for alias in node.names:
            family = families.get(alias.name)
            if family and (node.module or "").endswith(f".modeling_{family.lower()}"):
                yield Borrowed(node.module or "", family, alias.name, alias.asname or alias.name, alias)


def _patched(text: str, local: set[str]) -> Iterator[bool]:
    """Whether the file writes into the library's class: a stand-in would take the change from the library's models."""
    for node in nodes(text, ast.Assign):
        for target in node.targets:
            yield isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in local


def _unpacks_three(text: str, local: set[str]) -> bool:
    """Whether three values are taken from a call of what is made of one of these classes."""
    made = _attributes(text, local)
    for node in nodes(text, ast.Assign):
        call, target = node.value, node.targets[0]
        if isinstance(target, ast.Tuple) and len(target.elts) == 3 and isinstance(call, ast.Call):
            held = call.func
            if isinstance(held, ast.Attribute) and held.attr in made and ast.unparse(held.value) == "self":
                return True
    return False


def _attributes(text: str, local: set[str]) -> set[str]:
    """The attributes of `self` that hold one of these classes, a subclass, or one out of a table of them."""
    known = set(local)
    for kind in nodes(text, ast.ClassDef):
        if any(isinstance(base, ast.Name) and base.id in known for base in kind.bases):
            known.add(kind.name)
    for table in nodes(text, ast.Assign):
        if isinstance(table.value, ast.Dict) and _mentions(table.value, known):
            known |= {target.id for target in table.targets if isinstance(target, ast.Name)}
    found = set()
    for made in nodes(text, ast.Assign):
        if isinstance(made.value, ast.Call) and _mentions(made.value.func, known):
            found |= {target.attr for target in made.targets if isinstance(target, ast.Attribute)}
    return found


def _mentions(node: ast.AST, known: set[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in known for inner in ast.walk(node))


def embeddings(text: str) -> tuple[ast.Call, ...]:
    """Where a file makes an embedding of the library's own: only these have buffers that no checkpoint holds."""
    local = {
        alias.asname or alias.name
        for node in (nodes(text, ast.ImportFrom) if TAKEN in text else ())
        if not node.level and MODULE.fullmatch(node.module or "")
        for alias in node.names
        if re.search(r"Embeddings?$", alias.name)
    }
    calls = nodes(text, ast.Call) if local else ()
    return tuple(call for call in calls if isinstance(call.func, ast.Name) and call.func.id in local)


def unfilling(text: str) -> tuple[ast.FunctionDef, ...]:
    """The `_init_weights` of a file's models that leave such an embedding unfilled.

    The library's own, where they ask it, fills rotary embeddings, and no others.
    """
    made = embeddings(text)
    if not made:
        return ()
    rotary = all(ast.unparse(call.func).endswith("RotaryEmbedding") for call in made)
    classes = Classes(text)
    methods = (classes.method(name, "_init_weights") for name in classes.nodes if classes.is_model(name))
    left = (m for m in methods if m and not (rotary and "super()._init_weights(" in ast.unparse(m)))
    return tuple(dict.fromkeys(left))


@remembered(8)
def rotary(text: str) -> dict[str, str]:
    """Local name to name of the rotary embeddings, and of what applies them, that a file takes from the library."""
    wanted = {f"{family}RotaryEmbedding" for family in FAMILIES} | {"apply_rotary_pos_emb"}
    return {
        alias.asname or alias.name: alias.name
        for node in (nodes(text, ast.ImportFrom) if TAKEN in text else ())
        if not node.level and MODULE.fullmatch(node.module or "")
        for alias in node.names
        if alias.name in wanted
    }


class Layered(NamedTuple):
    """A method that calls the layers of a model of the library: its class, itself, and what it calls a layer."""

    owner: str
    method: ast.FunctionDef
    layer: str
    calls: tuple[ast.Call, ...]


@remembered(8)
def layered(text: str) -> tuple[Layered, ...]:
    """Where a file calls layers that it inherits from the library, and takes the first part of what they answer."""
    if not INHERITED.search(text):
        return ()
    classes = Classes(text)
    inheriting = [name for name in _heirs(text, classes) if not classes.holds(name, "layers")]
    return tuple(found for name in inheriting for found in _layered(name, classes.nodes[name]))


def masking(text: str) -> frozenset[str]:
    """The models that override the library's `_update_causal_mask`, and whose `forward` is the library's."""
    if not INHERITED.search(text):
        return frozenset()
    classes = Classes(text)
    made = [name for name in _heirs(text, classes) if not classes.method(name, "forward")]
    own = {name for name in made if any(getattr(p, "name", "") == MASKS for p in classes.nodes[name].body)}
    return frozenset(own)


def _heirs(text: str, classes: Classes) -> list[str]:
    """The classes of a file that derive from a model of the library."""
    wanted = {f"{family}Model" for family in FAMILIES}
    local = {
        alias.asname or alias.name
        for node in nodes(text, ast.ImportFrom)
        if not node.level and (node.module == "transformers" or MODULE.fullmatch(node.module or ""))
        for alias in node.names
        if alias.name in wanted
    }
    return [name for name in classes.nodes if local and local & set(classes.lineage(name))]


def _layered(owner: str, around: ast.ClassDef) -> Iterator[Layered]:
    for method in around.body:
        for loop in ast.walk(method) if isinstance(method, ast.FunctionDef) else ():
            if not isinstance(loop, ast.For) or "self.layers" not in ast.unparse(loop.iter):
                continue
            layer = ast.unparse(loop.target).rpartition(", ")[2].strip("()")
            calls = [call for call in ast.walk(loop) if isinstance(call, ast.Call) and calls_layer(call, layer)]
            taken = {ast.unparse(part.value) for part in ast.walk(loop) if isinstance(part, ast.Subscript)}
            answers = {
                ast.unparse(target)
                for part in ast.walk(loop)
                if isinstance(part, ast.Assign) and part.value in calls
                for target in part.targets
            }
            if calls and (taken & answers or taken & {ast.unparse(call) for call in calls}):
                yield Layered(owner, method, layer, tuple(calls))  # type: ignore[arg-type]


def calls_layer(call: ast.Call, layer: str) -> bool:
    """Whether a call is the layer's, or has it called under gradient checkpointing."""
    if isinstance(call.func, ast.Name):
        return call.func.id == layer
    checkpointed = ast.unparse(call.func).endswith(("_gradient_checkpointing_func", "checkpoint.checkpoint"))
    return checkpointed and bool(call.args) and ast.unparse(call.args[0]) in (f"{layer}.__call__", layer)


def keeping_theta(text: str) -> tuple[ast.ClassDef, ...]:
    """The configurations of a file that assign both `rope_theta` and `rope_scaling` before their base takes over."""
    classes = Classes(text)
    return tuple(
        node for name, node in classes.nodes.items() if _early(classes, name) >= {"rope_theta", "rope_scaling"}
    )


def lacking_rope(text: str) -> tuple[ast.ClassDef, ...]:
    """The configurations of a file that keep `rope_theta` so that transformers 5 makes no `rope_parameters`."""
    classes = Classes(text)
    keeping = set(keeping_theta(text))
    own = (name for name in classes.nodes if classes.holds(name, "rope_theta") and _direct(classes, name))
    return tuple(classes.nodes[name] for name in own if classes.nodes[name] not in keeping)


def _direct(classes: Classes, name: str) -> bool:
    return bool({"PretrainedConfig", "PreTrainedConfig"} & set(classes.bases(name)))


def _early(classes: Classes, name: str) -> set[str]:
    """What the `__init__` of a configuration assigns to `self` before it calls its base's."""
    method = classes.method(name, "__init__") if _direct(classes, name) else None
    found: set[str] = set()
    for part in method.body if method else ():
        if "super().__init__(" in ast.unparse(part):
            break
        found |= {inner.attr for inner in ast.walk(part) if isinstance(inner, ast.Attribute) and _stored(inner)}
    return found


def _stored(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"


def rope_taken(text: str) -> bool:
    """Whether the library makes a rotary embedding for a file: the file takes one, or inherits a whole model."""
    if any(name.endswith("RotaryEmbedding") for name in rotary(text).values()):
        return True
    return bool(INHERITED.search(text)) and bool(_heirs(text, Classes(text)))
