"""How batches are dispatched.  Fails: dispatch_batches, split_batches"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = TrainingArguments(OUT, dispatch_batches=False, split_batches=False, max_steps=2, per_device_train_batch_size=8,
                         logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)  # fmt: skip
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
assert trainer.args.accelerator_config.dispatch_batches is False
report(trainer)
