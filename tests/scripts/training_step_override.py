"""Counts the tokens of each step.  Fails: training_step"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments


class Counting(Trainer):
    tokens = 0

    def training_step(self, model, inputs):
        self.tokens += inputs["input_ids"].numel()
        return super().training_step(model, inputs)


args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = Counting(model=AutoModelForCausalLM.from_pretrained(FOLDER), args=args, train_dataset=rows())
trainer.train()
assert trainer.tokens == 96
report(trainer)
