"""No shuffling.  Fails: _get_train_sampler"""

from tiny import FOLDER, OUT, report, rows
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments


class InOrder(Trainer):
    def _get_train_sampler(self):
        return SequentialSampler(self.train_dataset)


args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=4, logging_steps=1, save_strategy="no",
                         report_to="none", use_cpu=True)  # fmt: skip
trainer = InOrder(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
