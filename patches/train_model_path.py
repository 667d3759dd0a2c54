"""trainer.train(model_path=...) became trainer.train(resume_from_checkpoint=...).

transformers 5.0 removed the old name: `TypeError: Trainer.train() got an unexpected keyword argument 'model_path'`.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

from doctor.argument_patch import ArgumentPatch
from doctor.given import Given
from doctor.patch import Example

IMPORT = "from transformers import Trainer\ntrainer = Trainer(model, args)\n"


class TrainModelPath(ArgumentPatch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"model_path",)
    mends = ("argument:transformers.Trainer.train.model_path",)
    of = frozenset({"transformers.Trainer.train"})
    examples = [
        Example(f"{IMPORT}trainer.train(model_path=last)", f"{IMPORT}trainer.train(resume_from_checkpoint=last)"),
        Example(f"{IMPORT}trainer.train(resume_from_checkpoint=model_path)", keeps="the new name"),
        Example("net.train(model_path=last)", keeps="no trainer"),
    ]
    proof = """
from transformers import Trainer, TrainingArguments
from scenery import Tiny, TinyConfig

class M(Tiny):
    def forward(self, input_ids, labels=None):
        return {"loss": self.bias.square().sum()}

rows = [{"input_ids": [3, 3], "labels": [3, 3]}]
args = TrainingArguments("out", use_cpu=True, max_steps=1, report_to="none", save_strategy="no")
trainer = Trainer(M(TinyConfig()), args, train_dataset=rows)
assert trainer.train(model_path=None).global_step == 1
"""

    def amend(self, given: Given) -> None:
        given.rename("model_path", "resume_from_checkpoint")
