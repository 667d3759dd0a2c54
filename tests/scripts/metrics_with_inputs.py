"""Metrics that look at the inputs.  Fails: include_inputs_for_metrics"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments


def compute_metrics(prediction):
    return {"seen": float(prediction.inputs.shape[0])}


args = TrainingArguments(OUT, include_inputs_for_metrics=True, max_steps=2, per_device_train_batch_size=8, logging_steps=1,
                         save_strategy="no", report_to="none", use_cpu=True)  # fmt: skip
model = AutoModelForCausalLM.from_pretrained(FOLDER, use_cache=False)
trainer = Trainer(model, args, train_dataset=rows(), eval_dataset=rows(4), compute_metrics=compute_metrics)
trainer.train()
assert trainer.evaluate()["eval_seen"] == 4
report(trainer)
