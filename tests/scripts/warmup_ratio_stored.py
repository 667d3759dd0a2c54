"""A dictionary that is filled step by step.  Fails: warmup_ratio, no_cuda"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

kwargs = dict(output_dir=OUT, per_device_train_batch_size=8, max_steps=2, logging_steps=1, report_to="none")
kwargs["save_strategy"] = "no"
if "warmup" not in kwargs:
    kwargs["warmup_ratio"] = 0.5
kwargs["no_cuda"] = True
kwargs["overwrite_output_dir"] = True
kwargs.update(learning_rate=1e-2, fp16_backend="auto")
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), TrainingArguments(**kwargs), train_dataset=rows())
trainer.train()
report(trainer)
