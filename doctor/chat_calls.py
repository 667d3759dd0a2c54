"""How a script uses the answer of `apply_chat_template`: as token ids, which 4.x gave, or as the dictionary of 5.x."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Literal

from doctor.nodes import Nodes
from doctor.scopes import dotted

Use = Literal["ids", "mapping", "unknown"]
TOKENIZER = re.compile(r"(?i)tok(eni[sz]er)?(_\w+)?$")
OF_IDS = frozenset(
    {"shape", "size", "tolist", "dim", "unsqueeze", "squeeze", "numpy", "numel", "ndim", "repeat", "cuda"}
)
OF_MAPPING = frozenset({"input_ids", "attention_mask", "keys", "items", "values", "pop", "update"})
TAKES_IDS = frozenset({"len", "list", "generate", "tensor", "decode", "LongTensor", "extend", "sum", "cat"})
SETTLED = frozenset({"return_dict", "return_assistant_tokens_mask"})


def chat_uses(file: Nodes) -> Mapping[str, tuple[ast.Call, Use]]:
    """Every call that tokenises and does not say `return_dict`, under its text, with the use of its answer."""
    found: dict[str, tuple[ast.Call, Use]] = {}
    for node in file.nodes(ast.Call):
        if _tokenises(node):
            key = ast.unparse(node)
            use = _use(node, file.around)
            before = found.get(key)
            found[key] = (node, use if before is None or before[1] == use else "unknown")
    return found


def _tokenises(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "apply_chat_template":
        return False
    receiver = dotted(call.func.value)
    if receiver is None or not TOKENIZER.search(receiver):
        return False
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in given or SETTLED & set(given):
        return False
    tokenize = given.get("tokenize")
    return tokenize is None or (isinstance(tokenize, ast.Constant) and tokenize.value is True)


def _use(node: ast.AST, parents: Mapping[ast.AST, ast.AST], depth: int = 0) -> Use:
    parent = parents.get(node)
    if isinstance(parent, ast.Attribute):
        if parent.attr in OF_IDS:
            return "ids"
        if parent.attr in OF_MAPPING:
            return "mapping"
        call = parents.get(parent)
        return _use(call, parents, depth) if parent.attr == "to" and isinstance(call, ast.Call) else "unknown"
    if isinstance(parent, ast.Subscript) and parent.value is node:
        text = isinstance(parent.slice, ast.Constant) and isinstance(parent.slice.value, str)
        return "mapping" if text else "ids"
    if isinstance(parent, ast.keyword):
        return (
            "mapping" if parent.arg is None else "ids" if parent.arg in ("input_ids", "inputs", "labels") else "unknown"
        )
    if isinstance(parent, ast.Call) and node in parent.args:
        name = (dotted(parent.func) or "").rpartition(".")[2]
        return "ids" if name in TAKES_IDS else "unknown"
    if isinstance(parent, ast.List | ast.Tuple | ast.ListComp):
        return "ids" if _use(parent, parents, depth) == "ids" else "unknown"
    if isinstance(parent, ast.BinOp | ast.Starred) or (isinstance(parent, ast.For) and parent.iter is node):
        return "ids"
    if isinstance(parent, ast.Dict) and isinstance(node, ast.expr) and node in parent.values:
        key = parent.keys[parent.values.index(node)]
        ids = isinstance(key, ast.Constant) and key.value in ("input_ids", "labels")
        return "ids" if ids else "mapping" if key is None else "unknown"
    if (
        isinstance(parent, ast.Assign)
        and len(parent.targets) == 1
        and isinstance(parent.targets[0], ast.Name)
        and not depth
    ):
        return _of_variable(parent.targets[0].id, parent, parents)
    return "unknown"


def _of_variable(name: str, assigned: ast.Assign, parents: Mapping[ast.AST, ast.AST]) -> Use:
    """The one way in which a variable is used, in the function in which it is assigned."""
    around: ast.AST = assigned
    while around in parents and not isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
        around = parents[around]
    reads = (n for n in ast.walk(around) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load))
    uses = {use for read in reads if (use := _read(read, assigned, parents)) != "unknown"}
    return uses.pop() if len(uses) == 1 else "unknown"


def _read(read: ast.Name, assigned: ast.Assign, parents: Mapping[ast.AST, ast.AST]) -> Use:
    node: ast.AST = read
    parent = parents.get(node)
    moved = isinstance(parent, ast.Attribute) and parent.attr == "to"
    again = parents.get(parents.get(parent, node), node) if moved and parent else None  # x = x.to(device)
    if isinstance(again, ast.Assign) and dotted(again.targets[0]) == read.id:
        return "unknown"
    return _use(node, parents, 1)
