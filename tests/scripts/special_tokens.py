"""New tokens, and rows for them.  Fails: additional_special_tokens"""

import torch
from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(FOLDER)
tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
ids = tokenizer.additional_special_tokens_ids
assert tokenizer.additional_special_tokens == ["<think>", "</think>"]
with torch.no_grad():
    model.get_input_embeddings().weight[ids] = 0.1
    model.get_output_embeddings().weight[ids] = 0.1
trainer = Trainer(model, TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=rows())
trainer.train()
report(trainer)
