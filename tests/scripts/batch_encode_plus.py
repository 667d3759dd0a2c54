"""Everything encoded at once.  Fails: batch_encode_plus"""

from tiny import FOLDER, OUT, report, texts
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tok = AutoTokenizer.from_pretrained(FOLDER)
encoded = tok.batch_encode_plus(texts(), padding=True, return_tensors="pt", return_attention_mask=True)
labels = encoded["input_ids"].clone()
labels[:, 0] = -100
data = [{"input_ids": i, "labels": label} for i, label in zip(encoded["input_ids"], labels)]
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=data)
trainer.train()
report(trainer)
