"""The file's `_init_weights` draws new values for tensors that were just loaded.

Why it matters: transformers 5.0 and 5.1 call `_init_weights` on every module after the checkpoint is in place, and
`weight.data.normal_()` overwrites what was loaded.  Later releases spare modules whose tensors were all loaded, but
not those that also hold a non-persistent buffer.  Nothing is raised or logged: the model answers noise.

What to do: `doctor fix` makes each write ask whether the tensor was loaded.  By hand: call `torch.nn.init` on the
tensor itself (`nn.init.normal_(module.weight)`), which transformers 5 guards, instead of writing to `.data`.

Reference: https://github.com/huggingface/transformers/issues/46620
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import OURS, Code
from doctor.model import Facts, Finding, Package, Remedy, Severity, Source, source_check

MARK = "_is_hf_initialized"
WRITES = rb"\.data\b|\.(?:weight|bias)(?:\[[^]\n]*\])?\.\w+_\("
REDRAWN = "transformers 5.0 and 5.1 run it after the checkpoint is loaded, and the loaded values are lost"
MODEL = """
class Model(PreTrainedModel):
    def _init_weights(self, module):
        {}
"""
HOLDS_BUFFER = """
class Attention(nn.Module):
    def __init__(self, config):
        self.register_buffer("bias", mask, persistent=False)
class Model(PreTrainedModel):
    def _init_weights(self, module):
        for name, p in module.named_parameters():
            p.data.normal_()
"""


def _facts(text: str, version: str = "5.0.0") -> Facts:
    packages = {"transformers": Package("transformers", version)}
    return Facts(sources=(Source("modeling.py", "remote-code", text),), packages=packages)


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"def _init_weights"],
    confirm=lambda data: re.search(WRITES, data),
    passes=[
        _facts(MODEL.format("nn.init.normal_(module.weight, std=0.02)")),
        _facts(MODEL.format("module.weight.data.normal_()"), "5.23.0"),
        _facts(MODEL.format('if not getattr(module.weight, "_is_hf_initialized", False): module.weight.data.zero_()')),
        _facts(MODEL.replace("PreTrainedModel", "nn.Module").format("module.weight.data.normal_()")),
    ],
    fails=[
        _facts(MODEL.format("module.weight.data.normal_(mean=0.0, std=0.02)")),
        _facts(MODEL.format("nn.init.normal_(module.weight.data)"), "5.1.0"),
        _facts(MODEL.format("module.bias.data.zero_()"), "4.47.1"),
        _facts(HOLDS_BUFFER, "5.23.0"),
    ],
    kinds=["remote-code"],
)
def init_overwrites_loaded_weights(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find unguarded writes to tensors in the `_init_weights` of a PreTrainedModel."""
    release = facts.transformers
    for function in code.nodes(ast.FunctionDef):
        around = code.class_of(function)
        if function.name != "_init_weights" or around is None or not _pretrained(code, around):
            continue
        writes = sorted(_writes(code, function), key=lambda node: node.lineno)
        if not writes or any(OURS in ast.unparse(decorator) for decorator in function.decorator_list):
            continue
        holders = _holders(code)
        if release.major < 5 or release.release[:2] < (5, 2):
            severity = Severity.ERROR if release.major >= 5 else Severity.WARNING
            yield _finding(code, writes[0], severity, REDRAWN)
        else:
            for write in writes:
                if holder := _touches(code, function, write, holders):
                    why = f"transformers {release} runs it on {holder}, which holds a buffer that no checkpoint has"
                    yield _finding(code, write, Severity.ERROR, why)
                    break


def _finding(code: Code, write: ast.AST, severity: Severity, why: str) -> Finding:
    return Finding(
        f"_init_weights runs {ast.unparse(write)}, whether or not the tensor was loaded: {why}",
        Remedy("advice", "write through `torch.nn.init`, which transformers 5 guards, instead of `.data`"),
        code.location(write),
        severity=severity,
    )


def _pretrained(code: Code, around: ast.ClassDef) -> bool:
    """Whether transformers runs the class's `_init_weights`: a base, here or further up in the file, says so."""
    classes = {node.name: node for node in code.nodes(ast.ClassDef)}
    pending, seen = [around], set[str]()
    while pending:
        node = pending.pop()
        for base in map(ast.unparse, node.bases):
            name = base.rpartition(".")[2]
            if re.search(r"Pre[Tt]rained", name) or (name.endswith("Model") and name not in classes):
                return True
            if name in classes and name not in seen:
                seen.add(name)
                pending.append(classes[name])
    return False


def _writes(code: Code, function: ast.FunctionDef) -> Iterator[ast.expr | ast.stmt]:
    """Statements that put values into a tensor without asking whether it was loaded."""
    calls = (call for call in code.within(function, ast.Call) if _in_place(call) or _init_of_data(call))
    assigns = (node for node in code.within(function, ast.Assign) if any(map(_is_data, node.targets)))
    found: list[ast.expr | ast.stmt] = [*calls, *assigns]
    yield from (node for node in found if not _asks(code, node))


def _in_place(node: ast.Call) -> bool:
    """`x.data.normal_()`, `x.data[0].zero_()`, `x.weight.copy_(y)`: a method that writes, on a tensor of the module."""
    func = node.func
    return (
        isinstance(func, ast.Attribute)
        and re.fullmatch(r"[a-z]\w*_", func.attr) is not None
        and _is_data(func.value, "data", "weight", "bias")
    )


def _init_of_data(node: ast.Call) -> bool:
    """`nn.init.normal_(x.data)`: the guard looks at the tensor, and `.data` is another one."""
    if not node.args or not _is_data(node.args[0]):
        return False
    name = ast.unparse(node.func)
    return "init." in name and name.endswith("_")


def _is_data(node: ast.expr, *names: str) -> bool:
    while isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute) and node.attr in (names or ("data",))


def _asks(code: Code, node: ast.AST) -> bool:
    if MARK not in code.text:
        return False
    tests = (parent.test for parent in code.parents(node) if isinstance(parent, ast.If | ast.IfExp))
    return any(MARK in ast.unparse(test) for test in tests)


def _holders(code: Code) -> set[str]:
    """Classes that register a non-persistent buffer."""
    found = set()
    for call in code.nodes(ast.Call):
        if getattr(call.func, "attr", "") == "register_buffer" and "persistent=False" in ast.unparse(call):
            around = code.class_of(call)
            found |= {around.name} if around else set()
    return found


def _touches(code: Code, function: ast.FunctionDef, write: ast.AST, holders: set[str]) -> str | None:
    """The class with a buffer of its own whose tensors a write reaches on later releases, None where none is."""
    if not holders:
        return None
    for parent in code.parents(write):
        if parent is function:
            return None
        if isinstance(parent, ast.For) and "named_parameters" in ast.unparse(parent.iter):
            return sorted(holders)[0]
        if isinstance(parent, ast.If) and "isinstance" in (test := ast.unparse(parent.test)):
            named = sorted(holder for holder in holders if re.search(rf"\b{holder}\b", test))
            if named:
                return named[0]
    return None
