"""What the rope patches share: the functions they bring along, and how they recognise a rope scaling in libcst."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, NamedTuple

import libcst as cst

from doctor import rope
from doctor.patch import File, Patch

SCALING = '''
def _doctor_rope_scaling(config):
    """The RoPE scaling of a config (or the dict itself) with `type` and `rope_type`; None where nothing is scaled."""
    scaling = config
    if not isinstance(config, dict):
        scaling = getattr(config, "rope_scaling", None) or getattr(config, "rope_parameters", None)
    elif "rope_scaling" in config or "rope_parameters" in config:
        scaling = config.get("rope_scaling") or config.get("rope_parameters")
    if not isinstance(scaling, dict):
        return None
    kind = scaling.get("type") or scaling.get("rope_type")
    if kind == "default" and "mrope_section" not in scaling:
        return None
    if kind is None:
        return None if scaling.keys() <= {"type", "rope_type", "rope_theta", "partial_rotary_factor"} else scaling
    return {**scaling, "type": kind, "rope_type": kind}
'''

TYPE = '''
def _doctor_rope_type(config, default=None):
    """The kind of RoPE scaling, whichever key names it; `default` where nothing is scaled."""
    scaling = _doctor_rope_scaling(config)
    return default if scaling is None else scaling.get("type", default)
'''

VALUE = '''
def _doctor_rope_value(config, name, *default):
    """config.rope_theta or config.partial_rotary_factor, also where transformers keeps it in config.rope_parameters."""
    held = (getattr(config, "rope_parameters", None) or {}).get(name)
    # 10000.0 is what transformers 5 fills in where a configuration class keeps rope_theta to itself.
    if held is None or (held == 10000.0 and getattr(config, name, None) is not None):
        return getattr(config, name, *default)
    return held
'''

EMBEDDING = '''
def _doctor_rotary_embedding(cls, *args, **kwargs):
    """A rotary embedding of the library, out of the numbers that it took up to transformers 4.47 or out of a config."""
    import copy
    import inspect

    from transformers import PretrainedConfig

    takes = inspect.signature(cls.__init__).parameters
    if "dim" in takes:
        return cls(*args, **kwargs)
    made = bool(args) and isinstance(args[0], PretrainedConfig)
    names = ("config", "device") if made else ("dim", "max_position_embeddings", "base", "device")
    given = {**dict(zip(names, args)), **kwargs}
    config, device = given.get("config"), given.get("device")
    if config is None:
        config = PretrainedConfig()
        config.hidden_size = config.head_dim = given["dim"]
        config.num_attention_heads, config.rope_scaling = 1, None
        config.max_position_embeddings = given.get("max_position_embeddings", 2048)
        config.rope_theta = given.get("base", 10000.0)
    if hasattr(config, "convert_rope_params_to_dict"):  # transformers 5
        config, rope = copy.copy(config), dict(getattr(config, "rope_parameters", None) or {})
        if not any(isinstance(value, dict) for value in rope.values()):
            rope.setdefault("rope_type", rope.get("type", "default"))
            for name, default in (("rope_theta", 10000.0), ("partial_rotary_factor", 1.0)):
                if rope.get(name, default) == default and getattr(config, name, None) is not None:
                    rope[name] = getattr(config, name)
            rope.setdefault("rope_theta", 10000.0)
            config.rope_parameters = rope
    embedding = cls(config=config)
    return embedding if device is None else embedding.to(device)
'''


class Source(NamedTuple):
    """An expression that reads the rope scaling off a configuration: `config.rope_scaling`, `getattr(config, ...)`."""

    config: cst.BaseExpression
    name: str
    default: cst.BaseExpression | None = None


class RopePatch(Patch):
    """A patch that asks what a file does with its rope scaling."""

    helpers: ClassVar[Mapping[str, str]] = {"_doctor_rope_scaling": SCALING, "_doctor_rope_type": TYPE}

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.stored: set[cst.CSTNode] = set()

    @cached_property
    def facts(self) -> rope.Rope:
        return rope.facts(self.file.text)

    @property
    def path(self) -> rope.Path:
        """The names of the classes and functions around the node."""
        return tuple(node.name.value for node in self.file.scope)

    @property
    def unit(self) -> rope.Unit:
        return self.facts.unit(self.path)

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self._store(node.target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self._store(node.target)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self._store(node.target)

    def visit_Del(self, node: cst.Del) -> None:
        self._store(node.target)

    def _store(self, target: cst.CSTNode) -> None:
        self.stored.add(target)
        if isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self._store(element.value)
        elif isinstance(target, cst.Subscript):
            self._store(target.value)

    def call(self, name: str, *values: cst.BaseExpression) -> cst.Call:
        """A call of one of the functions above."""
        self.helper("_doctor_rope_scaling")
        return cst.Call(self.helper(name), [cst.Arg(bare(value)) for value in values])

    def source(self, node: cst.CSTNode) -> Source | None:
        """What an expression reads, where it reads the rope scaling off a configuration."""
        if isinstance(node, cst.Attribute) and node.attr.value in rope.NAMES:
            mine = isinstance(node.value, cst.Name) and node.value.value == "self"
            return None if mine else Source(node.value, node.attr.value)
        found: Source | None = None
        if isinstance(node, cst.Subscript):
            key = index(node)
            found = Source(node.value, key) if key else None
        elif isinstance(node, cst.Call) and node.args and not any(arg.keyword for arg in node.args):
            found = _called(node)
        known = found is not None and found.name in rope.NAMES and rope.configish(code(found.config))
        return found if known else None

    def holds(self, node: cst.CSTNode) -> bool | None:
        """None where an expression is no rope scaling, else whether it was taken from `config.rope_scaling`."""
        if isinstance(node, cst.NamedExpr):
            return self.holds(node.value)
        parts: tuple[cst.CSTNode, ...] = ()
        if isinstance(node, cst.BooleanOperation):
            parts = (node.left, node.right)
        elif isinstance(node, cst.IfExp):
            parts = (node.body, node.orelse)
        held = [kind for kind in map(self.holds, parts) if kind is not None]
        if held:
            return all(held)
        source, text = self.source(node), name_of(node)
        if source:
            return source.name == "rope_scaling"
        return self.facts.alias(self.path, text) if text else None

    def key(self, node: cst.CSTNode) -> tuple[cst.BaseExpression, str] | None:
        """The rope scaling and the key, where an expression reads its `type` or `rope_type`."""
        owner: cst.BaseExpression | None = None
        key: str | None = None
        if isinstance(node, cst.Subscript) and node not in self.stored:
            owner, key = node.value, index(node)
        elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "get":
            owner, key = node.func.value, string(node.args[0].value) if node.args else None
        if owner is None or key not in rope.KEYS:
            return None
        return (owner, key) if self.holds(owner) is not None else None


class ScalingPatch(RopePatch):
    """A patch that follows a rope scaling from where it is taken off the configuration to where it is asked."""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.taking: set[str] = set()

    def reaches(self, name: str, text: str) -> bool:
        """A scaling may be kept under any name, in any method of the class that takes it from its configuration."""
        owner, _, method = name.partition(".")
        if not method and super().reaches(name, text):
            self.taking.add(owner)
        return owner in self.taking


def _called(node: cst.Call) -> Source | None:
    """What `getattr(config, NAME, default)` or `config.get(NAME, default)` asks for."""
    values = [arg.value for arg in node.args]
    if isinstance(node.func, cst.Name) and node.func.value == "getattr" and len(values) > 1:
        config, values = values[0], values[1:]
    elif isinstance(node.func, cst.Attribute) and node.func.attr.value == "get":
        config = node.func.value
    else:
        return None
    name = string(values[0])
    return Source(config, name, values[1] if len(values) > 1 else None) if name else None


def string(node: cst.CSTNode) -> str | None:
    """The value of a plain string literal."""
    if not isinstance(node, cst.SimpleString):
        return None
    value = node.evaluated_value
    return value if isinstance(value, str) else None


def index(node: cst.Subscript) -> str | None:
    """The string in `x["string"]`."""
    inside = node.slice[0].slice
    return string(inside.value) if len(node.slice) == 1 and isinstance(inside, cst.Index) else None


def name_of(node: cst.CSTNode) -> str | None:
    """A name or `self.name`, as text."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and node.value.value == "self":
        return f"self.{node.attr.value}"
    return None


def is_none(node: cst.CSTNode | None) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


def code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def bare(node: cst.BaseExpression) -> cst.BaseExpression:
    """An expression as the only argument of a call: without parentheses of its own, save those a walrus needs."""
    needed = isinstance(node, cst.NamedExpr | cst.GeneratorExp | cst.Tuple | cst.Yield)
    return node if needed or len(node.lpar) != 1 else node.with_changes(lpar=[], rpar=[])
