"""Writes every log line to a list as well.  Fails: log"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

history = []


class Logged(Trainer):
    def log(self, logs):
        history.append(dict(logs))
        super().log(logs)


args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = Logged(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
assert len(history) == 3
report(trainer)
