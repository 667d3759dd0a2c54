"""Adafactor by its flag.  Fails: adafactor"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

arguments = TrainingArguments(OUT, adafactor=True, learning_rate=1e-3, max_steps=2, per_device_train_batch_size=8,
                              logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)  # fmt: skip
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), arguments, train_dataset=rows())
trainer.train()
report(trainer)
