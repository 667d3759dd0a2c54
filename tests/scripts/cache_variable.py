"""Keeps downloads on the large disk.  Silent: TRANSFORMERS_CACHE"""

import os

os.environ["TRANSFORMERS_CACHE"] = "/tmp/large-disk/hf"

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=rows())
trainer.train()
report(trainer)
