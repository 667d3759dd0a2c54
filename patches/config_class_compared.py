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

from doctor.patch import Example, File, Patch, parsed

CONFIG = m.OneOf(m.Name(m.MatchRegex(r"(\w*_)?config")), m.Attribute(attr=m.Name(m.MatchRegex(r"(\w*_)?config"))))
ASKED = m.Call(func=m.Name("isinstance"), args=[m.Arg(CONFIG), m.Arg(m.OneOf(m.Name(), m.Attribute()))])
OWN = m.Attribute(value=m.OneOf(m.Name("self"), m.Name("cls")), attr=m.Name("config_class"))
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

    def __init__(self, file: File) -> None:
        super().__init__(file)
        imports = [node for node in ast.walk(parsed(file.text)) if isinstance(node, ast.ImportFrom) and node.level]
        self.siblings = {alias.asname or alias.name for node in imports for alias in node.names}

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not m.matches(updated_node, ASKED):
            return updated_node
        expected = updated_node.args[1].value
        sibling = isinstance(expected, cst.Name) and expected.value in self.siblings and "Config" in expected.value
        if not sibling and not m.matches(expected, OWN):
            return updated_node
        return updated_node.with_changes(func=self.helper("_doctor_is_config"))
