"""Groups with and without decay, handed to the Trainer.  Fails: AdamW"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments
from transformers.optimization import AdamW, get_scheduler

model = AutoModelForCausalLM.from_pretrained(FOLDER)
no_decay = ["bias", "norm"]
groups = [
    {"params": [p for n, p in model.named_parameters() if not any(d in n for d in no_decay)], "weight_decay": 0.01},
    {"params": [p for n, p in model.named_parameters() if any(d in n for d in no_decay)], "weight_decay": 0.0},
]
optimizer = AdamW(groups, lr=1e-3, eps=1e-8, no_deprecation_warning=True)
schedule = get_scheduler("constant", optimizer=optimizer)
args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = Trainer(model, args, train_dataset=rows(), optimizers=(optimizer, schedule))
trainer.train()
report(trainer)
