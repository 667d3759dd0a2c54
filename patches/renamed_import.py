"""A name is imported that a library keeps under another name.

`ImportError: cannot import name 'prepare_model_for_int8_training' from 'peft'` (0.10), `No module named
'transformers.deepspeed'` (4.46) or `'huggingface_hub.utils._errors'` (0.25).  The import, and every use, gets the name
that old releases have as well.

Reference: https://github.com/huggingface/peft/pull/1546
"""

from __future__ import annotations

import ast
from typing import NamedTuple

import libcst as cst

from doctor.argument_patch import ScriptPatch, dotted
from doctor.patch import Example, File


class Now(NamedTuple):
    """Where a name is now; an empty name stands for every name of the module."""

    module: str
    name: str


PEFT = ("peft", "peft.utils", "peft.utils.other")
DEEPSPEED = "transformers.deepspeed"
KBIT = "prepare_model_for_kbit_training"
MOVED = {
    **{f"{module}.prepare_model_for_int8_training": Now("peft", KBIT) for module in PEFT},
    DEEPSPEED: Now("transformers.integrations", ""),
    "huggingface_hub.utils._errors": Now("huggingface_hub.errors", ""),
}  # fmt: skip
RENAMED = {old.rpartition(".")[2]: now.name for old, now in MOVED.items() if now.name}


class RenamedImport(ScriptPatch):
    old, new = "transformers<4.46", "transformers>=4.36"
    needles = tuple(sorted({old.rpartition(".")[2].encode() for old in MOVED}))
    mends = tuple(f"import:{old}" for old in sorted(MOVED))
    examples = [
        Example(
            "from peft import LoraConfig, prepare_model_for_int8_training\nm = prepare_model_for_int8_training(m)",
            f"from peft import LoraConfig, {KBIT}\nm = {KBIT}(m)",
        ),
        Example(
            "import peft\nm = peft.prepare_model_for_int8_training(m, use_gradient_checkpointing=True)",
            f"import peft\nm = peft.{KBIT}(m, use_gradient_checkpointing=True)",
        ),
        Example(
            "from transformers.deepspeed import HfDeepSpeedConfig\nc = HfDeepSpeedConfig(d)",
            "from transformers.integrations import HfDeepSpeedConfig\nc = HfDeepSpeedConfig(d)",
        ),
        Example(
            "from peft.utils import prepare_model_for_int8_training as prepare\nm = prepare(m)",
            f"from peft import {KBIT} as prepare\nm = prepare(m)",
        ),
        Example("from transformers import deepspeed\n", "from transformers.integrations import deepspeed\n"),
        Example(
            "from transformers import Trainer, deepspeed as ds, set_seed\n",
            "from transformers import Trainer, set_seed\nfrom transformers.integrations import deepspeed as ds\n",
        ),
        Example(
            "import transformers as tf\nzero = tf.deepspeed.is_deepspeed_zero3_enabled()",
            "import transformers as tf\nzero = tf.integrations.deepspeed.is_deepspeed_zero3_enabled()",
        ),
        Example("import deepspeed\nfrom transformers import Trainer\ndeepspeed.zero", keeps="DeepSpeed itself"),
        Example(f"from peft import {KBIT}\nm = {KBIT}(m)", keeps="the new name"),
        Example("def prepare_model_for_int8_training(m):\n    return m", keeps="a function of the script"),
        Example(
            "try:\n    from peft import prepare_model_for_int8_training\nexcept ImportError:\n    pass",
            keeps="the author has guarded it",
        ),
    ]
    proof = """
import transformers
from transformers import Trainer, deepspeed
from transformers.deepspeed import is_deepspeed_zero3_enabled

assert not is_deepspeed_zero3_enabled() and not deepspeed.is_deepspeed_zero3_enabled()
assert not transformers.deepspeed.is_deepspeed_zero3_enabled()
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.tries, self.importing = 0, False
        tried = {
            alias.asname or alias.name
            for around, _ in self.script.nodes
            if isinstance(around, ast.Try)
            for node in ast.walk(around)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        self.local = {
            local
            for local, full in self.script.imports.items()
            if full in MOVED and local in RENAMED and local not in tried
        }

    def visit_Try(self, node: cst.Try) -> None:
        self.tries += 1

    def leave_Try(self, original_node: cst.Try, updated_node: cst.Try) -> cst.Try:
        self.tries -= 1
        return updated_node

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        self.importing = True

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> cst.ImportFrom:
        self.importing = False
        module = dotted(updated_node.module) or ""
        if self.tries or updated_node.relative:
            return updated_node
        if module in MOVED:
            return updated_node.with_changes(module=_name(MOVED[module].module))
        if isinstance(updated_node.names, cst.ImportStar):
            return updated_node
        if module == "transformers" and [dotted(alias.name) for alias in updated_node.names] == ["deepspeed"]:
            return updated_node.with_changes(module=_name("transformers.integrations"))
        names = [self._alias(module, alias) for alias in updated_node.names]
        if all(a is b for a, b in zip(names, updated_node.names, strict=True)):
            return updated_node
        alone = len(names) == 1 and names[0] is not updated_node.names[0]
        home = MOVED[f"{module}.{dotted(updated_node.names[0].name)}"].module if alone else module
        return updated_node.with_changes(names=names, module=_name(home))

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        """A module among names gets an import of its own."""
        statement = updated_node.body[0]
        if self.tries or len(updated_node.body) != 1 or not isinstance(statement, cst.ImportFrom):
            return updated_node
        names = () if isinstance(statement.names, cst.ImportStar) else statement.names
        moved = [alias for alias in names if f"{dotted(statement.module)}.{dotted(alias.name)}" == DEEPSPEED]
        kept = [alias for alias in names if alias not in moved]
        if not moved or not kept or statement.relative:
            return updated_node
        kept[-1] = kept[-1].with_changes(comma=names[-1].comma)
        alone = moved[0].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        line = cst.SimpleStatementLine([cst.ImportFrom(_name(MOVED[DEEPSPEED].module), [alone])])
        return cst.FlattenSentinel([updated_node.with_changes(body=[statement.with_changes(names=kept)]), line])

    def _alias(self, module: str, alias: cst.ImportAlias) -> cst.ImportAlias:
        now = MOVED.get(f"{module}.{dotted(alias.name)}")
        return alias.with_changes(name=cst.Name(now.name)) if now and now.name else alias

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        now = MOVED.get(self.script.full(dotted(original_node)))
        if now and now.name:
            return updated_node.with_changes(attr=cst.Name(now.name))
        if now and now == MOVED[DEEPSPEED] and not (self.tries or self.importing):
            return updated_node.with_changes(value=cst.Attribute(updated_node.value, cst.Name("integrations")))
        kept = original_node.attr.value in RENAMED  # an attribute of that name is no use of the import
        return updated_node.with_changes(attr=original_node.attr) if kept else updated_node

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        if updated_node.value in self.local:
            return updated_node.with_changes(value=RENAMED[updated_node.value])
        return updated_node

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:
        kept = original_node.keyword is not None and original_node.keyword.value in RENAMED
        return updated_node.with_changes(keyword=original_node.keyword) if kept else updated_node


def _name(text: str) -> cst.Attribute | cst.Name:
    name = cst.parse_expression(text)
    assert isinstance(name, cst.Attribute | cst.Name)
    return name
