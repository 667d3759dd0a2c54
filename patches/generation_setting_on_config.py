"""A generation setting is read from a model's configuration.

Up to transformers 4.57 every configuration had `max_length`, `num_beams`, `forced_bos_token_id` and the like, with
defaults; from 5.0 on they are in the generation configuration alone: `AttributeError: 'ChatGLMConfig' object has no
attribute 'max_length'`.  The reading gets the old default, for releases where the attribute is not there.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.traversal import find

DEFAULTS = {
    "bad_words_ids": "None",
    "begin_suppress_tokens": "None",
    "diversity_penalty": "0.0",
    "do_sample": "False",
    "early_stopping": "False",
    "encoder_no_repeat_ngram_size": "0",
    "exponential_decay_length_penalty": "None",
    "forced_bos_token_id": "None",
    "forced_eos_token_id": "None",
    "length_penalty": "1.0",
    "max_length": "20",
    "min_length": "0",
    "no_repeat_ngram_size": "0",
    "num_beam_groups": "1",
    "num_beams": "1",
    "num_return_sequences": "1",
    "output_scores": "False",
    "remove_invalid_values": "False",
    "repetition_penalty": "1.0",
    "return_dict_in_generate": "False",
    "suppress_tokens": "None",
    "typical_p": "1.0",
}
"""What PretrainedConfig of 4.x set, but `top_k`, `top_p` and `temperature`, which models use for other ends."""
CONFIGS = ("config", "configuration")
ROOTS = ("PretrainedConfig", "PreTrainedConfig")
SETTING = m.Attribute(attr=m.OneOf(*(m.Name(name) for name in DEFAULTS)))
INIT = "class C(PretrainedConfig):\n    def __init__(self, **kwargs):\n        super().__init__(**kwargs)\n"


class GenerationSettingOnConfig(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = tuple(f".{name}".encode() for name in DEFAULTS)
    examples = [
        Example(
            "self.max_sequence_length = config.max_length",
            'self.max_sequence_length = getattr(config, "max_length", 20)',
        ),
        Example("n = self.config.num_beams + 1", 'n = getattr(self.config, "num_beams", 1) + 1'),
        Example(
            INIT + "        if self.forced_bos_token_id is None:\n            pass\n",
            INIT + '        if getattr(self, "forced_bos_token_id", None) is None:\n            pass\n',
        ),
        Example(
            INIT + "        if self.max_length is None:\n            self.max_length = self.n\n",
            INIT + '        if getattr(self, "max_length", 20) is None:\n            self.max_length = self.n\n',
        ),
        Example("n = self.generation_config.max_length", keeps="where they are"),
        Example("config.max_length = 3", keeps="set, not read"),
        Example("n = tokenizer.max_length", keeps="not a configuration's"),
        Example(
            "class C(PretrainedConfig):\n    def __init__(self, max_length=4):\n        self.max_length = max_length\n"
            "        print(self.max_length)\n",
            keeps="the class has it",
        ),
    ]

    proof = """
from scenery import TinyConfig

config = TinyConfig()
assert (config.max_length, config.num_beams) == (20, 1)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.targets: set[cst.CSTNode] = set()
        nodes = Classes(file.text).nodes.values()
        self.given = {name for node in nodes if _is_config(node) for name in _set(node)}

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self.targets.update(find(node.target, SETTING))

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self.targets.add(node.target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self.targets.add(node.target)

    def visit_Del(self, node: cst.Del) -> None:
        self.targets.update(find(node.target, SETTING))

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        name = updated_node.attr.value
        if name not in DEFAULTS or name in self.given or original_node in self.targets:
            return updated_node
        if not self._is_configuration(updated_node.value):
            return updated_node
        asked = cst.ensure_type(cst.parse_expression(f'getattr(x, "{name}", {DEFAULTS[name]})'), cst.Call)
        first = asked.args[0].with_changes(value=updated_node.value)
        return asked.with_changes(args=[first, *asked.args[1:]], lpar=updated_node.lpar, rpar=updated_node.rpar)

    def _is_configuration(self, receiver: cst.BaseExpression) -> bool:
        """`config`, `self.config`, `model.config`; `self` in a configuration class."""
        if m.matches(receiver, m.Name("self")):
            bases = self.file.classes[-1].bases if self.file.classes else ()
            return any(cst.Module([]).code_for_node(base.value).rpartition(".")[2] in ROOTS for base in bases)
        last = receiver.attr if isinstance(receiver, cst.Attribute) else receiver
        return isinstance(last, cst.Name) and last.value in CONFIGS


def _is_config(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).rpartition(".")[2] in ROOTS for base in node.bases)


def _set(node: ast.ClassDef) -> set[str]:
    """The names that a class gives its instances: `NAME = ...`, `self.NAME = NAME`, `... = kwargs.pop("NAME")`."""
    names = set[str]()
    for part in ast.walk(node):
        if isinstance(part, ast.Assign | ast.AnnAssign) and part.value is not None:
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            found = {getattr(target, "attr", getattr(target, "id", "")) for target in targets}
            names |= {name for name in found if part in node.body or _mentions(part.value, name)}
    return names


def _mentions(value: ast.expr, name: str) -> bool:
    """Whether a value has a name, or a string of that text, in it; an attribute is another thing."""
    return any(name == getattr(part, "id", getattr(part, "value", None)) for part in ast.walk(value))
