"""A name is imported that newer releases keep elsewhere, or not at all.

trl moved trainers to `trl.experimental` (0.29), dropped the collator that masks everything but the answers
(`DataCollatorForCompletionOnlyLM`, 0.20) and `setup_chat_format` (0.26); transformers 5.0 renamed
`AutoModelForVision2Seq`.  The old import is tried first; where it fails the new home, or a stand-in that does the
same, takes its name.

Reference: https://github.com/huggingface/trl/pull/3494
"""

from __future__ import annotations

import libcst as cst

from doctor.argument_patch import dotted
from doctor.import_patch import ImportPatch
from doctor.importing import guarded
from doctor.patch import Example

COLLATOR = '''from transformers import DataCollatorForLanguageModeling

class {name}(DataCollatorForLanguageModeling):
    """Labels the tokens behind each response template, up to the next instruction template; no others."""

    def __init__(self, response_template, instruction_template=None, *args, mlm=False, ignore_index=-100, **kwargs):
        super().__init__(*args, mlm=mlm, **kwargs)
        self.ignore_index = ignore_index
        self.response, self.instruction = self._ids(response_template), self._ids(instruction_template)

    def _ids(self, template):
        return self.tokenizer.encode(template, add_special_tokens=False) if isinstance(template, str) else template

    def _ends(self, row, template):
        size = len(template or ())
        return [i + size for i in range(len(row) - size + 1) if size and row[i : i + size] == template]

    def torch_call(self, examples):
        batch = super().torch_call(examples)
        for row, labels in zip(batch["input_ids"].tolist(), batch["labels"]):
            starts = self._ends(row, self.response)
            turns = [end - len(self.instruction) for end in self._ends(row, self.instruction)]
            kept = starts if self.instruction else starts[-1:]
            whole = labels.clone()
            labels[:] = self.ignore_index
            for start in kept:
                end = min((turn for turn in turns if turn >= start), default=len(row))
                labels[start:end] = whole[start:end]
        return batch
'''
CHAT_FORMAT = """def {name}(model, tokenizer, format="chatml", resize_to_multiple_of=None):
    tokenizer.chat_template = (
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\\\n' + message['content'] + '<|im_end|>' "
        "+ '\\\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\\\n' }}{% endif %}"
    )
    tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token = "<|im_start|>", "<|im_end|>", "<|im_end|>"
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=resize_to_multiple_of)
    for config in (model.config, getattr(model, "generation_config", None)):
        if config is not None:
            config.bos_token_id = tokenizer.bos_token_id
            config.eos_token_id = tokenizer.eos_token_id
            config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer
"""


def _from(module: str, name: str) -> str:
    return f"from {module} import {name} as {{name}}\n"


EXPERIMENTAL = {"CPO": "cpo", "GKD": "gkd", "ORPO": "orpo", "OnlineDPO": "online_dpo"}
MOVED = {
    "transformers.AutoModelForVision2Seq": "from transformers import AutoModelForImageTextToText as {name}\n",
    **{f"{module}.DataCollatorForCompletionOnlyLM": COLLATOR for module in ("trl", "trl.trainer", "trl.trainer.utils")},
    **{f"{module}.setup_chat_format": CHAT_FORMAT for module in ("trl", "trl.models")},
    **{
        f"trl.{stem}{kind}": _from(f"trl.experimental.{home}", f"{stem}{kind}")
        for stem, home in EXPERIMENTAL.items()
        for kind in ("Trainer", "Config")
    },
}
"""Full name to what gives it where the old import fails."""


class MovedImport(ImportPatch):
    old, new = "transformers<5", "transformers>=4.46"
    needles = tuple(sorted({name.rpartition(".")[2].encode() for name in MOVED}))
    mends = tuple(f"import:{name}" for name in sorted(MOVED))
    examples = [
        Example(
            "from transformers import AutoModelForVision2Seq, AutoProcessor\n",
            "from transformers import AutoProcessor\ntry:\n    from transformers import AutoModelForVision2Seq\n"
            "except ImportError:\n"
            "    from transformers import AutoModelForImageTextToText as AutoModelForVision2Seq\n",
        ),
        Example(
            "from trl import ORPOConfig\n",
            "try:\n    from trl import ORPOConfig\nexcept ImportError:\n"
            "    from trl.experimental.orpo import ORPOConfig as ORPOConfig\n",
        ),
        Example("from transformers import AutoModelForImageTextToText\n", keeps="the new name"),
        Example("from mine import ORPOConfig, setup_chat_format\n", keeps="somebody else's name"),
        Example(
            "try:\n    from trl import ORPOConfig\nexcept ImportError:\n    ORPOConfig = None\n",
            keeps="the author has guarded it",
        ),
    ]
    proof = """
from transformers import AutoModelForVision2Seq

assert callable(AutoModelForVision2Seq.from_pretrained)
"""

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.BaseStatement]:
        statement = updated_node.body[0]
        if self.tries or not isinstance(statement, cst.ImportFrom) or statement.relative:
            return updated_node
        module = dotted(statement.module) or ""
        prefix = f"{module}."
        stand_ins = {name[len(prefix) :]: source for name, source in MOVED.items() if name.rpartition(".")[0] == module}
        return guarded(updated_node, module, stand_ins)
