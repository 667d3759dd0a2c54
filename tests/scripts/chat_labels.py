"""Prompts masked by the length of their rendering.  Fails: tokenizers.Encoding"""

import torch
from tiny import FOLDER, OUT, report, texts
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained(FOLDER)


def encode(text):
    prompt = [{"role": "user", "content": text}]
    whole = [*prompt, {"role": "assistant", "content": "w1 w2 w3"}]
    start = len(tokenizer.apply_chat_template(prompt))
    ids = tokenizer.apply_chat_template(whole, truncation=True, max_length=32)
    labels = [-100] * start + ids[start:]
    return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}


data = [encode(text) for text in texts()]
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=data)
trainer.train()
report(trainer)
