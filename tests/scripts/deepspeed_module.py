"""Asks DeepSpeed before it loads.  Fails: deepspeed"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments
from transformers.deepspeed import is_deepspeed_zero3_enabled

args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
assert not is_deepspeed_zero3_enabled(), "ZeRO-3 needs another loader"
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
