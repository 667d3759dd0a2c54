"""Settings kept in a dictionary, as notebooks do.  Fails: evaluation_strategy"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

CONFIG = {
    "output_dir": OUT,
    "evaluation_strategy": "no",
    "per_device_train_batch_size": 8,
    "max_steps": 2,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "use_cpu": True,
}


def main():
    model = AutoModelForCausalLM.from_pretrained(FOLDER)
    trainer = Trainer(model, TrainingArguments(**CONFIG), train_dataset=rows())
    trainer.train()
    return trainer


if __name__ == "__main__":
    report(main())
