"""Saves, loads again, trains on.  Fails: overwrite_output_dir"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = TrainingArguments(
    OUT,
    overwrite_output_dir=True,
    save_safetensors=True,
    max_steps=2,
    per_device_train_batch_size=8,
    logging_steps=1,
    save_strategy="no",
    report_to="none",
    use_cpu=True)  # fmt: skip
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
trainer.save_model(OUT + "/final")
again = AutoModelForCausalLM.from_pretrained(OUT + "/final")
assert again.num_parameters() == trainer.model.num_parameters()
report(trainer)
