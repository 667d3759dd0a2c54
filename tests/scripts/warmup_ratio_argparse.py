"""The ratio comes from the command line.  Fails: warmup_ratio"""

import argparse

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("--lr", type=float, default=5e-3)
    p.add_argument("--warmup_ratio", type=float, default=0.5)
    return p.parse_args([])


cfg = get_args()
ta = TrainingArguments(output_dir=OUT, learning_rate=cfg.lr, warmup_ratio=cfg.warmup_ratio, max_steps=2, use_cpu=True,
                       per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none")  # fmt: skip
t = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), ta, train_dataset=rows())
t.train()
report(t)
