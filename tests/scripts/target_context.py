"""Targets in the context of the target tokenizer.  Fails: as_target_tokenizer"""

from tiny import FOLDER, OUT, report, texts
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
data = tokenizer(texts(), return_tensors="pt")
# what the model shall say
with tokenizer.as_target_tokenizer():
    labels = tokenizer(texts(), return_tensors="pt")
labels = labels.get("labels", labels["input_ids"])
labels[:, 0] = -100
data = [{"input_ids": i, "labels": t} for i, t in zip(data["input_ids"], labels)]
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=data)
trainer.train()
report(trainer)
