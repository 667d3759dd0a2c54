"""A model asks whether it was handed a configuration of its own class.

From transformers 5.8 on the remote code of a local folder is imported once for each class that config.json names, so
the configuration's class and the one that the model's file imports are two classes of one name: `isinstance(config,
self.config_class)` is False, and the model refuses its own configuration.  The names are compared as well.

Reference: https://github.com/huggingface/transformers/blob/main/src/transformers/dynamic_module_utils.py
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.parsing import nodes
from doctor.patch import Example, File, Patch

CONFIG = m.Name(m.MatchRegex(r"(\w*_)?config"))
ASKED = m.Call(func=m.Name("isinstance"), args=[m.Arg(), m.Arg()])
OWN = m.Attribute(value=m.OneOf(m.Name("self"), m.Name("cls")), attr=m.Name("config_class"))
ROOTS = ("PretrainedConfig", "PreTrainedConfig")
IMPORT = "from .configuration_m import MConfig\n"


class ConfigClassCompared(Patch):
    old, new = "transformers<5.8", "transformers>=4.36"
    needles = (b"isinstance(",)
    helpers = {
        "_doctor_is_config": '''
def _doctor_is_config(config, expected):
    """Whether a configuration is of a class, be it another import of the same file."""
    return isinstance(config, expected) or any(base.__name__ == expected.__name__ for base in type(config).__mro__)
'''
    }
    examples = [
        Example(
            "class M(PreTrainedModel):\n    def __init__(self, config):\n"
            "        if not isinstance(config, self.config_class):\n            raise ValueError\n",
            "class M(PreTrainedModel):\n    def __init__(self, config):\n"
            "        if not _doctor_is_config(config, self.config_class):\n            raise ValueError\n",
        ),
        Example(
            IMPORT + "x = isinstance(config.text_config, MConfig)\n",
            IMPORT + "x = _doctor_is_config(config.text_config, MConfig)\n",
        ),
        Example("from transformers import GPT2Config\nx = isinstance(config, GPT2Config)\n", keeps="a library's class"),
        Example(IMPORT + "x = isinstance(config, dict)\n", keeps="not a class of configurations"),
        Example(IMPORT + "x = isinstance(layer, MConfig)\n", keeps="not a configuration"),
    ]

    proof = """
import json
import pathlib
import tempfile

import torch
from transformers import AutoModel, PreTrainedModel, dynamic_module_utils

try:
    from .configuration_m import MConfig
except ImportError:  # this is the proof, below it is remote code
    from transformers import PretrainedConfig as MConfig

class M(PreTrainedModel):
    config_class = MConfig

    def __init__(self, config):
        if not isinstance(config, self.config_class):
            raise ValueError("not my configuration")
        super().__init__(config)
        self.head = torch.nn.Linear(2, 2)
        self.post_init()

    def _init_weights(self, module):
        pass

if not __name__.startswith("transformers_modules"):
    with tempfile.TemporaryDirectory() as folder:
        dynamic_module_utils.HF_MODULES_CACHE = folder + "/modules"
        model = pathlib.Path(folder, "model_m")
        model.mkdir()
        names = {"AutoConfig": "configuration_m.MConfig", "AutoModel": "modeling_m.M"}
        (model / "config.json").write_text(json.dumps({"model_type": "m", "auto_map": names}))
        configuration = 'class MConfig(PretrainedConfig):\\n    model_type = "m"\\n'
        (model / "configuration_m.py").write_text("from transformers import PretrainedConfig\\n\\n" + configuration)
        (model / "modeling_m.py").write_text(pathlib.Path(__file__).read_text())
        M(MConfig()).save_pretrained(folder + "/weights")
        pathlib.Path(folder, "weights/model.safetensors").rename(model / "model.safetensors")
        AutoModel.from_pretrained(str(model), trust_remote_code=True)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        imports = [node for node in nodes(file.text, ast.ImportFrom) if node.level]
        self.siblings = {alias.asname or alias.name for node in imports for alias in node.names} - {*ROOTS}

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not m.matches(updated_node, ASKED):
            return updated_node
        asked, expected = (argument.value for argument in updated_node.args)
        if not m.matches(asked.attr if isinstance(asked, cst.Attribute) else asked, CONFIG):
            return updated_node
        sibling = isinstance(expected, cst.Name) and expected.value in self.siblings and "Config" in expected.value
        if not sibling and not m.matches(expected, OWN):
            return updated_node
        return updated_node.with_changes(func=self.helper("_doctor_is_config"))
