"""A processor has an `__init__` that does not call `super().__init__`.

Since 4.45 `save_pretrained` asks `self.chat_template`, which the library's `__init__` sets: `AttributeError:
'Phi3VProcessor' object has no attribute 'chat_template'` when the processor is saved beside a fine-tuned model.  The
class says that there is none, nor an `audio_tokenizer`, which 4.57 asks for.

Reference: https://github.com/huggingface/transformers/blob/v4.47.1/src/transformers/processing_utils.py
"""

from __future__ import annotations

import libcst as cst

from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.tokenizer_classes import without_template

NONE = "chat_template = audio_tokenizer = None"
PROCESSOR = """class P(ProcessorMixin):
{0}    attributes = ["tokenizer"]

    def __init__(self, tokenizer):
        {1}
"""
BEFORE = PROCESSOR.format("", "self.tokenizer = tokenizer")


class ProcessorWithoutSuperInit(Patch):
    old, new = "transformers<4.45", "transformers>=4.36"
    needles = (b"ProcessorMixin",)
    examples = [
        Example(BEFORE, PROCESSOR.format(f"    {NONE}\n", "self.tokenizer = tokenizer")),
        Example(
            BEFORE.replace("P(ProcessorMixin):\n", 'P(ProcessorMixin):\n    """Words."""\n\n'),
            BEFORE.replace("P(ProcessorMixin):\n", f'P(ProcessorMixin):\n    """Words."""\n    {NONE}\n\n'),
        ),
        Example(PROCESSOR.format("", "super().__init__(tokenizer)"), keeps="the library sets it"),
        Example(BEFORE + "        self.chat_template = None\n", keeps="it sets it itself"),
        Example(BEFORE.replace("ProcessorMixin", "Mixin"), keeps="no processor of transformers"),
    ]
    proof = """
import tempfile

from transformers import ProcessorMixin

class P(ProcessorMixin):
    attributes = []

    def __init__(self):
        self.size = 3

with tempfile.TemporaryDirectory() as folder:
    P().save_pretrained(folder)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body, without = updated_node.body, not self.file.scope
        without = without and without_template(self.classes, updated_node.name.value)
        if not without or not isinstance(body, cst.IndentedBlock):
            return updated_node
        place = 1 if original_node.get_docstring() is not None else 0
        lines = [*body.body[:place], cst.parse_statement(NONE), *body.body[place:]]
        return updated_node.with_deep_changes(body, body=lines)
