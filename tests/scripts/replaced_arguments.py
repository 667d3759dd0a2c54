"""dataclasses.replace on the arguments.  Fails: evaluation_strategy"""

import dataclasses

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
args = dataclasses.replace(args, evaluation_strategy="steps", eval_steps=1)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows(), eval_dataset=rows(2))
trainer.train()
report(trainer)
