"""`_keep_in_fp32_modules` names buffers, or modules without weights.

Releases 4.49 to 4.57 insist that each name is part of the name of a parameter: `ValueError: inv_freq was specified in
the _keep_in_fp32_modules list, but is not part of the modules in GemmaModel`.  The list only ever decided about
parameters, so names that no parameter of the file has can go.

Reference: https://github.com/huggingface/transformers/pull/36722
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, File, Patch, parsed

NAME = "_keep_in_fp32_modules"
LIST = m.Assign(targets=[m.AssignTarget(target=m.Name(NAME))], value=m.List(elements=[m.AtLeastN(n=1)]))
ROPE = """
class Rope(nn.Module):
    def __init__(self, inv_freq):
        super().__init__()
        self.register_buffer("inv_freq", inv_freq)
"""
MODEL = """
class M(PreTrainedModel):
    _keep_in_fp32_modules = {}

    def __init__(self, config):
        self.norm = nn.LayerNorm(8)
        self.rotary_emb = Rope(config.inv_freq)
"""


class KeepInFp32Buffers(Patch):
    old, new = "transformers" + ",".join(f"!=4.{minor}.*" for minor in range(49, 58)), "transformers>=4.36"
    needles = (NAME.encode(),)
    examples = [
        Example(ROPE + MODEL.format('["inv_freq", "rotary_emb"]'), ROPE + MODEL.format("None")),
        Example(ROPE + MODEL.format('["norm", "inv_freq"]'), ROPE + MODEL.format('["norm"]')),
        Example(ROPE + MODEL.format('["cos_cached", "norm"]'), ROPE + MODEL.format('["norm"]')),
        Example(
            ROPE.replace("inv_freq)\n", "None)\n").replace("Rope", "R")
            + "        self.inv_freq = make(8)\n"
            + MODEL.format('["inv_freq", "norm"]'),
            ROPE.replace("inv_freq)\n", "None)\n").replace("Rope", "R")
            + "        self.inv_freq = make(8)\n"
            + MODEL.format('["norm"]'),
        ),
        Example(ROPE + MODEL.format('["norm"]'), keeps="parameters"),
        Example(
            "class M(PreTrainedModel):\n    _keep_in_fp32_modules = ['wo']\n\n    def __init__(self, config):\n"
            "        self.lm = AutoModelForCausalLM.from_config(config)\n",
            keeps="parameters may be in a model of the library",
        ),
        Example("class M(PreTrainedModel):\n    _keep_in_fp32_modules = []\n", keeps="nothing is named"),
    ]

    proof = """
import torch
from torch import nn
from scenery import TinyConfig
from transformers import PreTrainedModel

class Rope(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("inv_freq", torch.ones(2), persistent=False)

class M(PreTrainedModel):
    config_class = TinyConfig
    _keep_in_fp32_modules = ["inv_freq", "norm"]

    def __init__(self, config):
        super().__init__(config)
        self.norm = nn.LayerNorm(4)
        self.rotary_emb = Rope()
        self.post_init()

    def _init_weights(self, module):
        pass

assert M(TinyConfig()).norm.weight.dtype == torch.float32
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        nodes = list(ast.walk(parsed(file.text)))
        self.whole = not any(_from_library(node) for node in nodes)
        empty = {node.name for node in nodes if isinstance(node, ast.ClassDef) and not _weighs(node)}
        made = {name for node in nodes if isinstance(node, ast.Assign) for name in _weighing(node, empty)}
        self.weighing = made - {name for node in nodes if isinstance(node, ast.Call) for name in _buffer(node)}

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        if not self.whole or not m.matches(updated_node, LIST) or not self.file.classes or self.file.function:
            return updated_node
        names = ast.literal_eval(cst.Module([]).code_for_node(updated_node.value))
        kept = [name for name in names if name in self.weighing]
        if len(kept) == len(names):
            return updated_node
        text = "[" + ", ".join(f'"{name}"' for name in kept) + "]" if kept else "None"
        return updated_node.with_changes(value=cst.parse_expression(text))


def _from_library(node: ast.AST) -> bool:
    """Whether a call makes a model, or layers, of which the file does not show the parameters."""
    return isinstance(node, ast.Attribute) and node.attr in ("from_config", "from_pretrained", "_from_config")


def _weighs(node: ast.ClassDef) -> bool:
    """Whether a class makes anything that may have parameters: every call of a class, save its own super's."""
    called = [ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)]
    return any(name.rpartition(".")[2][:1].isupper() for name in called)


def _weighing(node: ast.Assign, empty: set[str]) -> set[str]:
    """The attributes that an assignment makes a parameter, or a module that may have some."""
    made = ast.unparse(node.value.func) if isinstance(node.value, ast.Call) else ast.unparse(node.value)
    if made in empty or isinstance(node.value, ast.BinOp | ast.Constant | ast.Compare):
        return set()
    return {target.attr for target in node.targets if isinstance(target, ast.Attribute)}


def _buffer(node: ast.Call) -> list[str]:
    """The name that a call registers as a buffer."""
    registers = getattr(node.func, "attr", "") == "register_buffer" and node.args
    return [str(getattr(node.args[0], "value", ""))] if registers else []
