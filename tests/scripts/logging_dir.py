"""Logs go beside the checkpoints.  Fails: logging_dir"""

import os

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = TrainingArguments(
    output_dir=OUT,
    logging_dir=os.path.join(OUT, "logs"),
    logging_steps=1,
    max_steps=2,
    per_device_train_batch_size=8,
    save_strategy="no",
    report_to="none",
    use_cpu=True,
)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
