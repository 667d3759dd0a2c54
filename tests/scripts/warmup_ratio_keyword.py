"""Half of the steps warm up.  Fails: warmup_ratio"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = TrainingArguments(
    OUT, learning_rate=1e-2, lr_scheduler_type="cosine", warmup_ratio=0.3, weight_decay=0.0, max_steps=3, logging_steps=1,
    per_device_train_batch_size=8, save_strategy="no", report_to="none", use_cpu=True,
)  # fmt: skip
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
