"""A mixture of experts keeps each expert apart, under a model type whose experts transformers 5 fuses.

transformers 5.0 to 5.2 rewrite the checkpoint of every model by its model type, also for remote code: the tensors of
the experts are put together and renamed for the library's own class, the file's experts are reported as missing, and
stay random.  While such a release is installed the configuration in memory gets a model type of its own; what is saved
says the old one.

Reference: https://github.com/huggingface/transformers/blob/v5.0.0/src/transformers/conversion_mapping.py
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch, method
from doctor.traversal import find

ROOT, HELPER = "PreTrainedModel", "_doctor_own_model_type"
EXPERTS = m.Assign(
    targets=[m.AssignTarget(target=m.Attribute(attr=m.Name("experts")))],
    value=m.Call(func=m.Attribute(attr=m.Name("ModuleList"))),
)
METHOD = """def __init__(self, config, *inputs, **kwargs):
    super().__init__(config, *inputs, **kwargs)
"""
BLOCK = """class Block(nn.Module):
    def __init__(self, config):
        self.experts = nn.ModuleList([Expert(config) for _ in range(config.num_experts)])

"""
MODEL = "\nclass M(P):\n    def __init__(self, config):\n        super().__init__(config)\n        self.post_init()\n"


class ExpertsFusedByType(Patch):
    old, new = "transformers!=5.0.*,!=5.1.*,!=5.2.*", "transformers>=4.36"
    needles = (b"experts = nn.ModuleList(",)
    helpers = {
        HELPER: '''
def _doctor_own_model_type(config):
    """Keep transformers 5.0 to 5.2 from fusing the experts of a type they know; what is saved says the old type."""
    import transformers

    if transformers.__version__.startswith(("5.0.", "5.1.", "5.2.")):
        config.model_type = f"{type(config).model_type}_remote"
'''
    }
    examples = [
        Example(
            BLOCK + "class P(PreTrainedModel):\n    config_class = C\n" + MODEL,
            BLOCK
            + "class P(PreTrainedModel):\n    config_class = C\n\n    def __init__(self, config, *inputs, **kwargs):\n"
            "        _doctor_own_model_type(config)\n        super().__init__(config, *inputs, **kwargs)\n" + MODEL,
        ),
        Example(
            BLOCK + "class P(PreTrainedModel):\n    def __init__(self, cfg):\n        super().__init__(cfg)\n",
            BLOCK + "class P(PreTrainedModel):\n    def __init__(self, cfg):\n        _doctor_own_model_type(cfg)\n"
            "        super().__init__(cfg)\n",
        ),
        Example("class P(PreTrainedModel):\n    config_class = C\n", keeps="no experts"),
        Example(BLOCK + "class P(MixtralPreTrainedModel):\n    config_class = C\n", keeps="the library's class"),
        Example(
            BLOCK.replace("nn.ModuleList([Expert(config) for _ in range(config.num_experts)])", "Experts(config)")
            + "class P(PreTrainedModel):\n    config_class = C\n",
            keeps="fused already",
        ),
    ]

    proof = """
import torch
from torch import nn
from scenery import TinyConfig, reloaded
from transformers import PreTrainedModel

class Config(TinyConfig):
    model_type = "mixtral"
    num_local_experts = 2

class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1, self.w2, self.w3 = (nn.Linear(*sizes, bias=False) for sizes in ((4, 8), (8, 4), (4, 8)))

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([Expert() for _ in range(2)])

class P(PreTrainedModel):
    config_class = Config

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)

class M(P):
    def __init__(self, config):
        super().__init__(config)
        self.block_sparse_moe = Block()
        self.post_init()

made = M(Config())
again = reloaded(made)
for name, weight in made.state_dict().items():
    assert torch.equal(again.state_dict()[name], weight), name
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        classes = Classes(file.text)
        self.roots = {name for name in classes.nodes if ROOT in classes.bases(name)}

    def reaches(self, name: str, text: str) -> bool:
        return name.partition(".")[0] in self.roots and name.partition(".")[2] in ("", "__init__")

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = updated_node.body
        if self.file.scope or updated_node.name.value not in self.roots or not isinstance(body, cst.IndentedBlock):
            return updated_node
        inits = [p for p in body.body if isinstance(p, cst.FunctionDef) and p.name.value == "__init__"]
        if not inits:
            first = next((i for i, p in enumerate(body.body) if isinstance(p, cst.FunctionDef)), len(body.body))
            added = self._asking(method(METHOD))
            return updated_node.with_deep_changes(body, body=[*body.body[:first], added, *body.body[first:]])
        return updated_node.with_deep_changes(inits[0], body=self._asking(inits[0]).body)

    def _asking(self, init: cst.FunctionDef) -> cst.FunctionDef:
        parameters, body = init.params.params, init.body
        if find(init, m.Name(HELPER)) or len(parameters) < 2 or not isinstance(body, cst.IndentedBlock):
            return init
        call = cst.Expr(cst.Call(self.helper(HELPER), [cst.Arg(parameters[1].name)]))
        place = int(init.get_docstring() is not None)
        lines = [*body.body[:place], cst.SimpleStatementLine([call]), *body.body[place:]]
        return init.with_changes(body=body.with_changes(body=lines))
