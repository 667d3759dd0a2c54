"""Defaults by functools.partial.  Fails: evaluation_strategy"""

from functools import partial

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

make = partial(TrainingArguments, evaluation_strategy="no", save_strategy="no", report_to="none", use_cpu=True)
args = make(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, overwrite_output_dir=True)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
