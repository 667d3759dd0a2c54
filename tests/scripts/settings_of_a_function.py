"""A function answers the settings.  Fails: evaluation_strategy"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments


def settings(steps, cpu=True):
    return {
        "output_dir": OUT,
        'evaluation_strategy': "no",
        "save_strategy": "no",
        "max_steps": steps,
        "per_device_train_batch_size": 8,
        "logging_steps": 1,
        "report_to": "none",
        "no_cuda": cpu,
    }  # fmt: skip


trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), TrainingArguments(**settings(2)), train_dataset=rows())
trainer.train()
report(trainer)
