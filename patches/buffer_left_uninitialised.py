"""A tensor that is computed in `__init__` and not stored in the checkpoint is lost at load.

transformers 5.x builds every model on the meta device.  A buffer registered with `persistent=False` (`inv_freq`, a
causal mask) comes back as uninitialised memory, so the logits are garbage without an error; a tensor kept as a plain
attribute stays on meta.  Both are now computed on the CPU, as they always were, and `_init_weights`, which the loader
calls on every such module, puts the buffers' values back.

Reference: https://github.com/huggingface/transformers/issues/48892
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.parsing import lines, nodes, walked
from doctor.patch import OURS, Example, File, Patch, method, parsed
from doctor.traversal import find

INIT = """
    def _init_weights(self, module):
        {0}std = 0.02
"""
RESTORE = "_doctor_restore_buffers(module)\n        "
FACTORIES = (
    *("arange", "as_tensor", "cat", "eye", "from_numpy", "full", "linspace", "logspace", "ones", "outer", "polar"),
    *("sqrt", "stack", "tensor", "tril", "triu", "zeros", "Tensor", "FloatTensor", "LongTensor"),
)
FACTORY = m.Call(
    func=m.Attribute(
        value=m.Name("torch"),
        attr=m.OneOf(*(m.Name(n) for n in FACTORIES)),
    )
)
TORCH_NN = m.Attribute(value=m.Name("torch"), attr=m.Name("nn"))
MODULE = m.Call(
    func=m.OneOf(m.Attribute(value=m.Name("nn")), m.Attribute(value=TORCH_NN), m.Name("Parameter")),
)
LEAVES = m.Call(func=m.Attribute(attr=m.OneOf(m.Name("item"), m.Name("tolist"), m.Name("numpy"), m.Name("size"))))
BUFFER = m.Call(func=m.Attribute(value=m.Name("self"), attr=m.Name("register_buffer")))
SELF = m.Attribute(value=m.Name("self"))
MAKES = m.OneOf(FACTORY, m.Call(func=m.OneOf(m.Name(), m.Attribute(value=m.Name("self")))))
"""Calls that may make a tensor; methods of a tensor stay where it is."""
COMPUTED = m.Call(func=m.OneOf(m.Attribute(), m.Name()))
METHOD = "def _init_weights(self, module):\n    super()._init_weights(module)\n"
ON_CPU = m.WithItem(item=m.Call(func=m.Attribute(value=m.Name("torch"), attr=m.Name("device"))))


WITH = m.With(items=[ON_CPU])


class BufferLeftUninitialised(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"register_buffer(", *(f"torch.{name}(".encode() for name in FACTORIES))
    mends = ("buffer-left-uninitialised",)
    helpers = {
        "_doctor_register_buffer": '''
def _doctor_register_buffer(module, name, tensor):
    """Register a non-persistent buffer, and keep its value where the model is being built without memory."""
    torch.nn.Module.register_buffer(module, name, tensor, persistent=False)
    if tensor is not None and torch.empty(0).device.type == "meta":
        module.__dict__.setdefault("_doctor_buffers", {})[name] = tensor
''',
        "_doctor_restore_buffers": '''
def _doctor_restore_buffers(module):
    """Put back the buffers that transformers 5 replaced by uninitialised memory."""
    for name, tensor in module.__dict__.pop("_doctor_buffers", {}).items():
        getattr(module, name).copy_(tensor)
''',
    }
    examples = [
        Example(
            """import torch
class Rope(nn.Module):
    def __init__(self, dim):
        inv_freq = 1.0 / (10000 ** (torch.arange(0, dim, 2).float() / dim))
        self.register_buffer("inv_freq", tensor=inv_freq, persistent=False)

class P(PreTrainedModel):"""
            + INIT.format(""),
            """import torch
class Rope(nn.Module):
    def __init__(self, dim):
        with torch.device("cpu"):
            inv_freq = 1.0 / (10000 ** (torch.arange(0, dim, 2).float() / dim))
        _doctor_register_buffer(self, "inv_freq", inv_freq)

class P(PreTrainedModel):"""
            + INIT.format(RESTORE),
        ),
        Example(
            """import torch
class Attention(nn.Module):
    def __init__(self, n):
        self.register_buffer("mask", torch.tril(torch.ones(n, n)), persistent=False)
        self.proj = nn.Linear(n, n)

class P(PreTrainedModel):"""
            + INIT.format(""),
            """import torch
class Attention(nn.Module):
    def __init__(self, n):
        with torch.device("cpu"):
            mask_buffer = torch.tril(torch.ones(n, n))
        _doctor_register_buffer(self, "mask", mask_buffer)
        self.proj = nn.Linear(n, n)

class P(PreTrainedModel):"""
            + INIT.format(RESTORE),
        ),
        Example(
            """import torch
class Rope(nn.Module):
    def __init__(self, dim):
        self.register_buffer("inv_freq", None, persistent=False)
        self.inv_freq = self.frequencies(dim)

class P(PreTrainedModel):"""
            + INIT.format(""),
            """import torch
class Rope(nn.Module):
    def __init__(self, dim):
        self.register_buffer("inv_freq", None, persistent=False)
        with torch.device("cpu"):
            inv_freq_buffer = self.frequencies(dim)
        _doctor_register_buffer(self, "inv_freq", inv_freq_buffer)

class P(PreTrainedModel):"""
            + INIT.format(RESTORE),
        ),
        Example(
            "import torch\nclass Attention(nn.Module):\n    def __init__(self, n):\n"
            "        self.scale = torch.sqrt(torch.tensor(n, dtype=torch.float32))\n",
            "import torch\nclass Attention(nn.Module):\n    def __init__(self, n):\n"
            '        with torch.device("cpu"):\n'
            "            self.scale = torch.sqrt(torch.tensor(n, dtype=torch.float32))\n",
        ),
        Example(
            """import torch
class Rope(nn.Module):
    def __init__(self, inv_freq):
        self.register_buffer("inv_freq", inv_freq, persistent=False)

class P(transformers.PreTrainedModel):
    config_class = C
""",
            """import torch
class Rope(nn.Module):
    def __init__(self, inv_freq):
        _doctor_register_buffer(self, "inv_freq", inv_freq)

class P(transformers.PreTrainedModel):
    config_class = C

    def _init_weights(self, module):
        _doctor_restore_buffers(module)
        super()._init_weights(module)
""",
        ),
        Example(
            "import torch\nclass Rope(nn.Module):\n    def __init__(self, dim):\n"
            "        inv_freq = 1.0 / torch.arange(0, dim, 2)\n        self.inv_freq = inv_freq\n",
            "import torch\nclass Rope(nn.Module):\n    def __init__(self, dim):\n"
            '        with torch.device("cpu"):\n            inv_freq = 1.0 / torch.arange(0, dim, 2)\n'
            "            self.inv_freq = inv_freq\n",
        ),
        Example(
            "import torch\ndef table(n):\n    return torch.arange(n).sin()\nclass Attention(nn.Module):\n"
            "    def __init__(self, n):\n        self.positions = table(n)\n",
            "import torch\ndef table(n):\n    return torch.arange(n).sin()\nclass Attention(nn.Module):\n"
            '    def __init__(self, n):\n        with torch.device("cpu"):\n            self.positions = table(n)\n',
        ),
        Example(
            'import torch\nclass A(nn.Module):\n    def __init__(self, x):\n        self.register_buffer("x", x)\n',
            keeps="a persistent buffer is in the checkpoint",
        ),
        Example(
            "import torch\nclass A(nn.Module):\n    def __init__(self, n):\n"
            "        self.w = nn.Parameter(torch.ones(n))\n",
            keeps="a parameter is in the checkpoint",
        ),
        Example(
            "import torch\ndef head(n):\n    return nn.Linear(n, len(torch.ones(n)))\nclass A(nn.Module):\n"
            "    def __init__(self, n):\n        self.head = head(n)\n",
            keeps="the function makes a module",
        ),
        Example(
            'import torch\nclass A(nn.Module):\n    def __init__(self):\n        self.register_buffer("x", None, '
            "persistent=False)\n",
            keeps="nothing to lose",
        ),
        Example(
            "import torch\nclass A(nn.Module):\n    def __init__(self):\n        self.register_buffer('x', None, "
            "persistent=False)\n    def forward(self):\n        self.x = torch.ones(3)\n",
            keeps="computed when it is needed",
        ),
    ]
    proof = """
import torch
from scenery import TinyConfig, reloaded
from transformers import PreTrainedModel

class Rope(torch.nn.Module):
    def __init__(self, dim):
        super().__init__()
        inv_freq = 1.0 / (10000 ** (torch.arange(0, dim, 2).float() / dim))
        self.register_buffer("inv_freq", inv_freq, persistent=False)

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.weight, self.rope = torch.nn.Parameter(torch.ones(4)), Rope(64)
        self.post_init()

    def _init_weights(self, module):
        pass

assert torch.equal(reloaded(M(TinyConfig())).rope.inv_freq, Rope(64).inv_freq)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.on_cpu = 0
        self.lost: set[cst.CSTNode] = set()
        """Statements whose tensors the meta device would swallow."""
        classes = Classes(file.text)
        self.building = classes.called_by("__init__")
        self.makers = set(_makers(parsed(file.text)))
        self.later: set[str] = set()
        self.promising: set[tuple[str, str]] = set()
        """Classes and methods that mention a tensor or a buffer."""
        self.models = [name for name in classes.nodes if classes.is_model(name)]
        defined = any(classes.method(name, "_init_weights") for name in self.models)
        roots = [name for name in self.models if not any(base in self.models for base in classes.bases(name))]
        self.bare = [] if defined else roots

    def reaches(self, name: str, text: str) -> bool:
        made = any(f"{maker}(" in text for maker in self.makers)
        return made or name in self.bare or "_init_weights" in text or super().reaches(name, text)

    def visit_Module(self, node: cst.Module) -> None:
        text = self.file.text
        found = list(_registrations(text))
        self.later = {name for name, filled in found if not filled}
        filled = any(filled for _, filled in found) or _fills(text, self.building, self.later)
        self.buffers = bool(self.models) and filled
        self.promising = set(_mentioning(text, ("torch.", "register_buffer", *self.later, *self.makers)))

    def visit_With(self, node: cst.With) -> None:
        self.on_cpu += any(m.matches(item, ON_CPU) for item in node.items)

    def leave_With(self, original_node: cst.With, updated_node: cst.With) -> cst.With:
        self.on_cpu -= any(m.matches(item, ON_CPU) for item in original_node.items)
        return updated_node

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        if not self.file.classes or self.file.function is not None or node.name.value not in self.building:
            return
        if (self.file.classes[0].name.value, node.name.value) not in self.promising:
            return
        found = [cst.ensure_type(line, cst.SimpleStatementLine) for line in find(node, m.SimpleStatementLine())]
        tensors, needed = _tensors(found, self.makers), set[str]()
        for line in reversed(found):
            buffer = self._buffer(line) if self.buffers else None
            if buffer is not None:
                needed |= _names(buffer[1])
                continue
            targets, value = _assigned(line)
            if value is None or find(value, MODULE):
                continue
            kept = any(target.startswith("self.") for target in targets) and targets & tensors
            if kept or targets & needed:
                needed |= _names(value)
                if kept or find(value, COMPUTED):
                    self.lost.add(line)

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        if original_node in self.lost and not self.on_cpu:
            return _on_cpu(updated_node)
        buffer, function = self._buffer(updated_node), self.file.function
        if not self.buffers or buffer is None or function is None or function.name.value not in self.building:
            return updated_node
        name, value = buffer
        first: list[cst.BaseStatement] = []
        if find(value, MAKES):
            local = f"{name.raw_value}_buffer" if isinstance(name, cst.SimpleString) else "buffer"
            computed = cst.Assign([cst.AssignTarget(cst.Name(local))], value)
            first = [_on_cpu(cst.SimpleStatementLine([computed], leading_lines=updated_node.leading_lines))]
            updated_node, value = updated_node.with_changes(leading_lines=[]), cst.Name(local)
        made = cst.Call(
            self.helper("_doctor_register_buffer"), [cst.Arg(cst.Name("self")), cst.Arg(name), cst.Arg(value)]
        )
        return cst.FlattenSentinel([*first, updated_node.with_changes(body=[cst.Expr(made)])])

    def _buffer(self, line: cst.SimpleStatementLine) -> tuple[cst.BaseExpression, cst.BaseExpression] | None:
        """Name and value, where a statement registers a non-persistent buffer or fills one registered as None."""
        statement = line.body[0]
        if len(line.body) == 1 and isinstance(statement, cst.Expr) and m.matches(statement.value, BUFFER):
            return _registered(cst.ensure_type(statement.value, cst.Call))
        if not isinstance(statement, cst.Assign) or not m.matches(statement.targets[0].target, SELF):
            return None
        name = cst.ensure_type(statement.targets[0].target, cst.Attribute).attr.value
        empty = m.matches(statement.value, m.Name("None")) or len(statement.targets) > 1
        return None if name not in self.later or empty else (cst.SimpleString(f'"{name}"'), statement.value)

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        """Neighbouring statements share one `with`."""
        merged: list[cst.BaseStatement] = []
        for statement in updated_node.body:
            before = merged[-1] if merged and self.lost.intersection(original_node.body) else None
            if before is not None and m.matches(before, WITH) and m.matches(statement, WITH):
                block, lines = cst.ensure_type(before, cst.With).body, cst.ensure_type(statement, cst.With).body.body
                first = lines[0].with_changes(leading_lines=statement.leading_lines)  # type: ignore[attr-defined]
                merged[-1] = before.with_deep_changes(block, body=[*block.body, first, *lines[1:]])
            else:
                merged.append(statement)
        return updated_node.with_changes(body=merged) if len(merged) < len(updated_node.body) else updated_node

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        parameters = updated_node.params.params
        body = updated_node.body
        if not self.buffers or updated_node.name.value != "_init_weights" or len(parameters) != 2:
            return updated_node
        if not self.file.classes:
            return updated_node
        if not isinstance(body, cst.IndentedBlock) or find(body, m.Name("_doctor_restore_buffers")):
            return updated_node
        place = int(updated_node.get_docstring() is not None)
        restore = self._restore(parameters[1].name)
        return updated_node.with_deep_changes(body, body=[*body.body[:place], restore, *body.body[place:]])

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        if not self.buffers or self.file.scope or updated_node.name.value not in self.bare:
            return updated_node
        body = updated_node.body
        made = method(METHOD)
        made = made.with_deep_changes(made.body, body=[self._restore(cst.Name("module")), *made.body.body])
        has = any(isinstance(s, cst.FunctionDef) and s.name.value == "_init_weights" for s in body.body)
        if has or not isinstance(body, cst.IndentedBlock):
            return updated_node
        return updated_node.with_deep_changes(body, body=[*body.body, made])

    def _restore(self, module: cst.Name) -> cst.SimpleStatementLine:
        return cst.SimpleStatementLine([cst.Expr(cst.Call(self.helper("_doctor_restore_buffers"), [cst.Arg(module)]))])


def _mentioning(text: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The classes of the top level and their functions, at any depth, that mention one of the words."""
    classes = [node for node in parsed(text).body if isinstance(node, ast.ClassDef)]
    for around in classes:
        for node in walked(text).within(around, ast.FunctionDef):
            inside = "\n".join(lines(text)[node.lineno - 1 : node.end_lineno])
            if any(word in inside for word in words):
                yield around.name, node.name


def _registrations(text: str) -> Iterator[tuple[str, bool]]:
    """The names of the buffers that no checkpoint holds, and whether each is registered with a value."""
    for node in nodes(text, ast.Call):
        if getattr(node.func, "attr", "") == "register_buffer" and ast.unparse(node.func) == "self.register_buffer":
            given = dict(zip(("name", "tensor", "persistent"), map(ast.unparse, node.args), strict=False))
            given |= {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg}
            if given.get("persistent") == "False" and given.keys() >= {"name", "tensor"}:
                yield given["name"].strip("'"), given["tensor"] != "None"


def _fills(text: str, functions: set[str], names: set[str]) -> bool:
    """Whether one of the functions assigns to `self.<name>`."""
    targets = [
        target
        for assign in nodes(text, ast.Assign)
        for target in assign.targets
        if getattr(target, "attr", "") in names and ast.unparse(assign.value) != "None"
    ]
    building = [function for function in nodes(text, ast.FunctionDef) if function.name in functions]
    return any(
        function.lineno <= target.lineno <= (function.end_lineno or 0)
        for target in targets
        if ast.unparse(target).startswith("self.")
        for function in building
    )


def _makers(tree: ast.Module) -> Iterator[str]:
    """The file's own functions that make a tensor, and no module or parameter."""
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and not function.name.startswith(OURS):
            calls = [ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)]
            builds = any(call in classes or call.startswith(("nn.", "torch.nn.", "Parameter")) for call in calls)
            if not builds and any(call.startswith("torch.") and call[6:] in FACTORIES for call in calls):
                yield function.name


def _tensors(lines: Sequence[cst.SimpleStatementLine], makers: set[str]) -> set[str]:
    """The names and `self.x` that are made by torch's factories or the file's, directly or through one another."""
    made = set(makers)
    for line in lines:
        targets, value = _assigned(line)
        if value is not None and not m.matches(value, LEAVES) and (find(value, FACTORY) or _names(value) & made):
            made |= targets
    return made


def _registered(node: cst.CSTNode) -> tuple[cst.BaseExpression, cst.BaseExpression] | None:
    """Name and value of a non-persistent buffer, None where it is persistent or empty."""
    call = cst.ensure_type(node, cst.Call)
    names = ("name", "tensor", "persistent")
    given = {arg.keyword.value if arg.keyword else names[i]: arg.value for i, arg in enumerate(call.args[:3])}
    if not m.matches(given.get("persistent", cst.Name("True")), m.Name("False")) or "tensor" not in given:
        return None
    return None if m.matches(given["tensor"], m.Name("None")) else (given["name"], given["tensor"])


def _assigned(line: cst.SimpleStatementLine) -> tuple[set[str], cst.BaseExpression | None]:
    """What a statement assigns to (names and `self.x`; of `x[i] = ...`, x), and the value."""
    statement = line.body[0]
    if isinstance(statement, cst.Assign):
        targets = [target.target for target in statement.targets]
    elif isinstance(statement, cst.AnnAssign | cst.AugAssign):
        targets = [statement.target]
    else:
        return set(), None
    return {name for target in targets for name in _names(target)}, statement.value


def _names(node: cst.CSTNode) -> set[str]:
    """The names an expression mentions, `self.x` as one."""
    names = {name.value for name in find(node, m.Name()) if isinstance(name, cst.Name)}
    of_self = {f"self.{name.attr.value}" for name in find(node, SELF) if isinstance(name, cst.Attribute)}
    return (names | of_self) - {"self", "torch"}


def _on_cpu(line: cst.SimpleStatementLine) -> cst.With:
    device = cst.WithItem(cst.parse_expression('torch.device("cpu")'))
    block = cst.IndentedBlock([line.with_changes(leading_lines=[])])
    return cst.With([device], block, leading_lines=line.leading_lines)
