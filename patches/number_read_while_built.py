"""A number is read out of a tensor while the model is built.

transformers 5 builds every model on the meta device, where tensors have no numbers: `RuntimeError: Tensor.item() cannot
be called on meta tensors`.  `[x.item() for x in torch.linspace(0, drop_path_rate, depth)]` is how vision towers spread
their drop path rates.  What is read is computed on the CPU, as it always was.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.traversal import find

READ = m.Call(func=m.Attribute(attr=m.OneOf(m.Name("item"), m.Name("tolist"), m.Name("numpy"))), args=[])
FACTORIES = ("arange", "cat", "full", "linspace", "logspace", "ones", "stack", "tensor", "zeros")
FACTORY = m.Call(func=m.Attribute(value=m.Name("torch"), attr=m.OneOf(*(m.Name(name) for name in FACTORIES))))
PLACED = m.Arg(keyword=m.Name("device"))
LAYERS = m.Call(func=m.OneOf(m.Attribute(value=m.Name("nn")), m.Attribute(value=m.Attribute(attr=m.Name("nn")))))
ON_CPU = m.WithItem(item=m.Call(func=m.Attribute(value=m.Name("torch"), attr=m.Name("device"))))
CLASS = "import torch\nclass Tower(nn.Module):\n    def __init__(self, rate, depth):\n"
RATES = "rates = [x.item() for x in torch.linspace(0, rate, depth)]\n"


class NumberReadWhileBuilt(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b".item()", b".tolist()", b".numpy()")
    examples = [
        Example(
            CLASS + "        " + RATES + "        self.blocks = blocks(rates)\n",
            CLASS + '        with torch.device("cpu"):\n            ' + RATES + "        self.blocks = blocks(rates)\n",
        ),
        Example(
            CLASS + "        steps = torch.linspace(0, rate, depth)\n        self.rates = steps.tolist()\n",
            CLASS
            + '        with torch.device("cpu"):\n            steps = torch.linspace(0, rate, depth)\n'
            + '        with torch.device("cpu"):\n            self.rates = steps.tolist()\n',
        ),
        Example(CLASS + '        with torch.device("cpu"):\n            ' + RATES, keeps="on the CPU already"),
        Example(CLASS + "        " + RATES.replace("depth)", 'depth, device="cpu")'), keeps="it says where"),
        Example(CLASS + "        self.rates = rates.tolist()\n", keeps="a tensor that was handed over"),
        Example(CLASS.replace("__init__", "forward") + "        " + RATES, keeps="not while the model is built"),
        Example(
            CLASS + "        self.m = nn.ModuleList(nn.Drop(x.item()) for x in torch.linspace(0, rate, depth))\n",
            keeps="layers belong where the model is built",
        ),
    ]
    proof = """
import torch
from scenery import TinyConfig, reloaded
from transformers import PreTrainedModel

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.rates = [x.item() for x in torch.arange(3)]
        self.head = torch.nn.Linear(4, 4)
        self.post_init()

    def _init_weights(self, module):
        pass

assert reloaded(M(TinyConfig())).rates == [0, 1, 2]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.on_cpu = 0
        self.read: set[cst.CSTNode] = set()
        self.building = Classes(file.text).called_by("__init__")

    def visit_With(self, node: cst.With) -> None:
        self.on_cpu += any(m.matches(item, ON_CPU) for item in node.items)

    def leave_With(self, original_node: cst.With, updated_node: cst.With) -> cst.With:
        self.on_cpu -= any(m.matches(item, ON_CPU) for item in original_node.items)
        return updated_node

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        if not self.file.classes or self.file.function is not None or node.name.value not in self.building:
            return
        made: dict[str, cst.SimpleStatementLine] = {}
        for found in find(node, m.SimpleStatementLine(body=[m.Assign()])):
            line = cst.ensure_type(found, cst.SimpleStatementLine)
            assign = cst.ensure_type(line.body[0], cst.Assign)
            if find(assign.value, LAYERS):
                continue
            makes = any(not find(call, PLACED) for call in find(assign.value, FACTORY))
            names = {name.value for name in find(assign.value, m.Name()) if isinstance(name, cst.Name)}
            if find(assign.value, READ) and (makes or names & made.keys()):
                self.read |= {line, *(made[name] for name in names & made.keys())}
            elif makes:
                targets = (target.target for target in assign.targets)
                made |= {target.value: line for target in targets if isinstance(target, cst.Name)}

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.With:
        if original_node not in self.read or self.on_cpu:
            return updated_node
        device = cst.WithItem(cst.parse_expression('torch.device("cpu")'))
        block = cst.IndentedBlock([updated_node.with_changes(leading_lines=[])])
        return cst.With([device], block, leading_lines=updated_node.leading_lines)
