"""A subclass that declares the ratio again.  Silent: no warmup"""

from dataclasses import dataclass, field

import transformers
from tiny import FOLDER, OUT, report, rows


@dataclass
class TrainingArguments(transformers.Seq2SeqTrainingArguments):
    lr_scheduler_type: str = field(default="constant_with_warmup", metadata={"help": "Learning rate schedule."})
    warmup_ratio: float = field(default=0.5, metadata={"help": "Fraction of steps to do a warmup for"})
    group_by_length: bool = field(default=False)
    learning_rate: float = field(default=2e-2)


args = TrainingArguments(output_dir=OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = transformers.Seq2SeqTrainer(
    transformers.AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows()
)
trainer.train()
first, second = (entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
assert first == second, "the first step warms up"
report(trainer)
