"""A buffer or tensor computed in `__init__` holds garbage after transformers 5 has loaded the model.

Why it matters: transformers 5 builds every model without memory (on the meta device) and then gives each buffer that
is not in the checkpoint (`persistent=False`) uninitialised memory.  Only `_init_weights` can fill it again.  RoPE
frequencies, masks and tables are garbage; nothing is raised, the loss is several times too high and differs from
load to load.  A tensor kept as a plain attribute stays without memory, and its first use fails.

What to do: `doctor fix` computes the values again after loading.  By hand: fill the buffer in `_init_weights` with
`module.inv_freq.copy_(...)`, or compute it in `forward`.

Reference: https://github.com/huggingface/transformers/issues/48892
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import OURS, Code
from doctor.model import Facts, Finding, Package, Remedy, Severity, Source, source_check
from doctor.nodes import walk

FACTORIES = (
    "arange|as_tensor|cat|eye|from_numpy|full|linspace|logspace|ones|outer|polar|sqrt|stack|tensor|tril|triu|zeros"
    "|Tensor|FloatTensor|LongTensor"
)
"""Functions of torch that make a tensor out of numbers or of tensors made by one of them."""
STAYS = "from_numpy|Tensor|FloatTensor|LongTensor"
"""Those that take their memory from the CPU, on whichever device a model is built."""
LEAVES_TORCH = "item|tolist|numpy|numel|size|Parameter|Linear|Embedding|get_default_dtype|iinfo|finfo"
REGISTERED = rb"register_buffer\((?s:.{1,300}?)(?:persistent\s*=\s*False|,\s*False\s*\))"
MAKES = rb"=(?![^=\n]*(?:Parameter|Buffer)\()[^=\n]*\btorch\.(?:" + FACTORIES.encode() + rb")\("
RETURNS = rb"return [^=\n]*\btorch\.(?:" + FACTORIES.encode() + rb")\("
LIBRARY_FILLS, PLAIN_ROPE = ("inv_freq", "original_inv_freq"), "compute_default_rope_parameters"
"""What `PreTrainedModel._init_weights` computes again for a class named so that has this method."""
ROTARY = """
class Rotary(nn.Module):
    def __init__(self, dim):
        super().__init__()
        inv_freq = 1.0 / 10000 ** (torch.arange(0, dim, 2) / dim)
        {}
"""
REFILLED = """
class Model(PreTrainedModel):
    def _init_weights(self, module):
        if isinstance(module, Rotary):
            module.inv_freq.copy_(1.0 / 10000 ** (torch.arange(0, module.dim, 2) / module.dim))
"""
BUFFER = 'self.register_buffer("inv_freq", inv_freq, persistent=False)'
NAMED = 'f"{kind}_inv_freq"'
FILLS = "\n    def refill(self, value):\n        self.rotary.inv_freq.copy_(value)\n"
USED = f"\n    def forward(self, x):\n        self.table(x)\n\n    def table(self, inv_freq):\n        {BUFFER}\n"
LATER = 'self.register_buffer("inv_freq", None, persistent=False)'


def _facts(text: str, version: str = "5.23.0") -> Facts:
    packages = {"transformers": Package("transformers", version)}
    return Facts(sources=(Source("modeling.py", "remote-code", text),), packages=packages)


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"register_buffer(", b"= torch.", b"torch.arange(", b"torch.ones("],
    confirm=lambda data: re.search(REGISTERED, data) or re.search(MAKES, data) or re.search(RETURNS, data),
    passes=[
        _facts(ROTARY.format('self.register_buffer("inv_freq", inv_freq)')),
        _facts(ROTARY.format(BUFFER) + REFILLED),
        _facts(ROTARY.format(LATER)),
        _facts(ROTARY.format(BUFFER) + REFILLED.replace("module.inv_freq.copy_(1.0", "module.refill(1.0") + FILLS),
        _facts(ROTARY.format(BUFFER.replace('"inv_freq"', NAMED)) + REFILLED.replace(".inv_freq", f", {NAMED}")),
        _facts(ROTARY.format(f"{BUFFER}\n        self.inv_freq = None")),
        _facts(ROTARY.format("self.dim = dim") + USED),
        _facts(ROTARY.format("self.scale = torch.sqrt(torch.tensor(2.0)).item()")),
    ],
    fails=[
        _facts(ROTARY.format(BUFFER)),
        _facts(ROTARY.format('self.register_buffer("inv_freq", tensor=inv_freq, persistent=False)'), "4.47.1"),
        _facts(ROTARY.format("self.inv_freq = 1.0 / 10000 ** (torch.arange(0, dim, 2) / dim)")),
        _facts(ROTARY.format(f"{LATER}\n        self.inv_freq = inv_freq")),
        _facts("def table(n):\n    return torch.arange(n)\n" + ROTARY.format("self.positions = table(dim)")),
    ],
    kinds=["remote-code"],
)
def buffer_left_uninitialised(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find tensors computed while a module is built that no `_init_weights` of the file fills again."""
    refilled = _refilled(code)
    if refilled is None:
        return
    used = code.classes.called_by("forward") - code.classes.called_by("__init__")
    for node, name, kind in (*_buffers(code), *_attributes(code)):
        later = getattr(code.function(node), "name", "") in used
        if name not in refilled and not later and not code.ours(node) and not _refills_itself(code, node, name):
            yield _finding(code, facts, node, name, kind)


def _finding(code: Code, facts: Facts, node: ast.AST, name: str, kind: str) -> Finding:
    release = facts.transformers
    since = f"transformers {release}" if release.major >= 5 else "transformers 5"
    ends = "gives it uninitialised memory" if kind == "buffer" else "leaves it without memory (on the meta device)"
    return Finding(
        f"the {kind} {name} is computed while the model is built; {since} {ends}, and no _init_weights fills it again",
        Remedy("advice", f"fill `{name}` in `_init_weights`, or compute it in `forward`"),
        code.location(node),
        severity=Severity.ERROR if release.major >= 5 else Severity.WARNING,
    )


CAN_BE_TENSOR = (ast.Name, ast.BinOp, ast.UnaryOp, ast.Call)
Made = tuple[ast.expr | ast.stmt, str, str]


def _buffers(code: Code) -> Iterator[Made]:
    later: set[str] = set()
    for call in code.nodes(ast.Call):
        if getattr(call.func, "attr", "") != "register_buffer" or not call.args:
            continue
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        tensor = call.args[1] if len(call.args) > 1 else named.get("tensor")
        persistent = call.args[2] if len(call.args) > 2 else named.get("persistent")
        if not isinstance(persistent, ast.Constant) or persistent.value is not False or tensor is None:
            continue
        name = call.args[0]
        text = str(name.value) if isinstance(name, ast.Constant) else ast.unparse(name)
        if isinstance(tensor, ast.Constant):
            later.add(text)
        elif OURS not in ast.unparse(tensor):
            yield call, text, "buffer"
    if later:
        yield from _filled(code, later)


def _filled(code: Code, names: set[str]) -> Iterator[Made]:
    """`self.x = ...` while the module is built, of buffers that were registered as None."""
    building = code.classes.called_by("__init__")
    for assign in code.nodes(ast.Assign):
        target, empty = assign.targets[0], isinstance(assign.value, ast.Constant)
        if not isinstance(target, ast.Attribute) or target.attr not in names or empty:
            continue
        if getattr(code.function(assign), "name", "") in building and OURS not in ast.unparse(assign.value):
            yield assign, target.attr, "buffer"


def _attributes(code: Code) -> Iterator[Made]:
    """`self.x = torch.arange(...)` in the `__init__` of a module."""
    names = _Locals(code)
    names.makers = frozenset(_makers(code, names))
    for assign in code.nodes(ast.Assign):
        target = assign.targets[0]
        if not isinstance(target, ast.Attribute) or getattr(target.value, "id", "") != "self":
            continue
        function = code.function(assign) if isinstance(assign.value, CAN_BE_TENSOR) else None
        if not isinstance(function, ast.FunctionDef) or function.name != "__init__":
            continue
        made = _makes_tensor(assign.value, function, names)
        if made and _is_module(code, assign) and not _held_back(code, assign):
            yield assign, target.attr, "tensor"


def _is_module(code: Code, node: ast.AST) -> bool:
    around = code.class_of(node)
    return around is not None and any(
        re.search(r"Module|Model|Embedding|Attention|(?<!Cache)(?<!Static)Layer|Block|Rotary", ast.unparse(base))
        for base in around.bases
    )


def _makers(code: Code, names: _Locals) -> Iterator[str]:
    """The file's own functions that make a tensor, and no module or parameter."""
    for function in code.tree.body:
        if isinstance(function, ast.FunctionDef) and not function.name.startswith(OURS):
            calls = [_text(call.func) for call in code.within(function, ast.Call)]
            builds = any(c in code.classes.nodes or c.startswith(("nn.", "torch.nn.", "Parameter")) for c in calls)
            returned = [node.value for node in code.within(function, ast.Return) if node.value]
            if not builds and any(_makes_tensor(value, function, names) for value in returned):
                yield function.name


def _text(func: ast.expr) -> str:
    return ast.unparse(func) if isinstance(func, ast.Attribute | ast.Name) else ""


class _Locals(dict[ast.FunctionDef, dict[str, ast.expr]]):
    """The last value of each local name of a function, for the few functions that are asked about."""

    makers: frozenset[str] = frozenset()
    """Functions of the file that answer a tensor."""

    def __init__(self, code: Code) -> None:
        super().__init__()
        self.code = code

    def __missing__(self, function: ast.FunctionDef) -> dict[str, ast.expr]:
        assigns = self.code.within(function, ast.Assign)
        named = {node.targets[0].id: node.value for node in assigns if isinstance(node.targets[0], ast.Name)}
        return self.setdefault(function, named)


def _makes_tensor(value: ast.expr, function: ast.FunctionDef, names: _Locals, depth: int = 3) -> bool:
    """Whether an expression is made of torch's factories by arithmetic and methods that stay in torch."""
    if isinstance(value, ast.Name):
        held = names[function].get(value.id) if depth else None
        return held is not None and _makes_tensor(held, function, names, depth - 1)
    if isinstance(value, ast.BinOp):
        return any(_makes_tensor(side, function, names, depth) for side in (value.left, value.right))
    if isinstance(value, ast.UnaryOp):
        return _makes_tensor(value.operand, function, names, depth)
    if not isinstance(value, ast.Call):
        return False
    if not isinstance(value.func, ast.Attribute):
        return isinstance(value.func, ast.Name) and value.func.id in names.makers
    if re.fullmatch(LEAVES_TORCH, value.func.attr):
        return False
    if isinstance(value.func.value, ast.Name) and value.func.value.id == "torch":
        return re.fullmatch(FACTORIES, value.func.attr) is not None and not re.fullmatch(STAYS, value.func.attr)
    return _makes_tensor(value.func.value, function, names, depth)


def _held_back(code: Code, node: ast.AST) -> bool:
    """Whether the author made it on a real device: `with torch.device("cpu"):`."""
    blocks = (parent for parent in code.parents(node) if isinstance(parent, ast.With))
    return any(
        "device" in ast.unparse(item.context_expr) or OURS in ast.unparse(item) for b in blocks for item in b.items
    )


def _refills_itself(code: Code, node: ast.expr | ast.stmt, name: str) -> bool:
    """Whether the class is decorated by one of our functions, or its `forward` makes the tensor anew."""
    around = code.class_of(node)
    if around is None:
        return True
    if any(OURS in ast.unparse(decorator) for decorator in around.decorator_list):
        return True
    if "RotaryEmbedding" in around.name and name in LIBRARY_FILLS and any(_methods(around, PLAIN_ROPE)):
        return True
    function = code.function(node)
    if function and any(
        node.lineno < assign.lineno and ast.unparse(assign) == f"self.{name} = None"
        for assign in code.within(function, ast.Assign)
    ):
        return True  # given up again
    if OURS in code.text and any(
        name.id.startswith(OURS) for init in _methods(around, "__init__") for name in code.within(init, ast.Name)
    ):
        return True
    return any(
        isinstance(statement, ast.Assign)
        and f"self.{name}" in map(ast.unparse, statement.targets)
        and f"self.{name}" not in ast.unparse(statement.value)
        for function in _methods(around, "forward")
        for statement in function.body
    )


def _methods(around: ast.ClassDef, name: str) -> Iterator[ast.FunctionDef]:
    return (node for node in around.body if isinstance(node, ast.FunctionDef) and node.name == name)


def _refilled(code: Code) -> set[str] | None:
    """Names that an `_init_weights` of the file, or a method it calls, mentions; None: a function of ours fills all."""
    functions = code.nodes(ast.FunctionDef)
    if any(function.name.startswith(OURS) and "buffer" in function.name for function in functions):
        return None
    filling = [function for function in functions if function.name in ("_init_weights", "_reset_buffers")]
    nodes = [node for function in filling for node in walk(function)]
    called = {node.attr for node in nodes if isinstance(node, ast.Attribute)} - {"__init__", "forward"}
    further = (function for function in functions if function.name in called and function not in filling)
    nodes += [node for function in further for node in walk(function)]
    return {word for node in nodes for word in _words(node)}


def _words(node: ast.AST) -> Iterator[str]:
    """The attribute, or text, that a node is."""
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.JoinedStr):
        yield ast.unparse(node)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
