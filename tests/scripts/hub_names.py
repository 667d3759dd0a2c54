"""Names of the hub, unused while nothing is pushed.  Fails: push_to_hub_token"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = TrainingArguments(
    OUT, push_to_hub=False, push_to_hub_token=None, push_to_hub_model_id=None, push_to_hub_organization=None,
    max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True,
)  # fmt: skip
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
