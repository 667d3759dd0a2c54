"""A compiler that is not asked for.  Fails: torchdynamo"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

base = dict(output_dir=OUT, torchdynamo=None, include_tokens_per_second=False, max_steps=2)
args = TrainingArguments(**base, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none",
                         use_cpu=True)  # fmt: skip
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
