"""Several dictionaries, merged in every way Python has.  Fails: evaluation_strategy"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

common = {"output_dir": OUT, "evaluation_strategy": "no", "report_to": "none"}
speed = dict(per_gpu_train_batch_size=8, max_steps=2)
settings = {**common, **speed, "logging_steps": 1}
settings |= {"save_strategy": "no", "no_cuda": True}
args = TrainingArguments(**(settings | {"warmup_ratio": 0.5}))
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
