"""The optimizer by its old name.  Fails: adamw_hf"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = TrainingArguments(OUT, optim="adamw_hf", learning_rate=1e-3, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
