"""Bits by switches, as qlora.py has them.  Fails: load_in_4bit"""

import argparse

import torch
from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = argparse.Namespace(bits=16, double_quant=True)
model = AutoModelForCausalLM.from_pretrained(
    FOLDER,
    load_in_4bit=args.bits == 4,
    load_in_8bit=args.bits == 8,
    device_map=None,
    torch_dtype=torch.float32,
    use_auth_token=None,
)
training = TrainingArguments(OUT, group_by_length=False, warmup_ratio=0.5, lr_scheduler_type="constant_with_warmup",
                             max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no",
                             report_to="none", use_cpu=True)  # fmt: skip
trainer = Trainer(model, training, train_dataset=rows())
trainer.train()
report(trainer)
