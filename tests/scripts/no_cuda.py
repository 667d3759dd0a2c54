"""Forced onto the CPU.  Fails: no_cuda"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = TrainingArguments(output_dir=OUT, no_cuda=True, max_steps=2, per_device_train_batch_size=8, logging_steps=1,
                         save_strategy="no", report_to="none")  # fmt: skip
print("device:", args.device, "cpu only:", args.no_cuda)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
