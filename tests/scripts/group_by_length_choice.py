"""Grouping is a setting of the script.  Fails: group_by_length"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer
from transformers import TrainingArguments as Args

group = False
options = {"group_by_length": group, "max_steps": 2, "logging_steps": 1, "per_device_train_batch_size": 8}
args = Args(OUT, **options, save_strategy="no", report_to="none", use_cpu=True, remove_unused_columns=False)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
