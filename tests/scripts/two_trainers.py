"""Warm up the head first, then everything.  Fails: evaluation_strategy, tokenizer"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments


def stage(model, name, rate, tokenizer):
    args = TrainingArguments(
        f"{OUT}/{name}", evaluation_strategy="no", learning_rate=rate, max_steps=1, per_gpu_train_batch_size=8,
        logging_steps=1, save_strategy="no", report_to="none", no_cuda=True, logging_dir=f"{OUT}/{name}/logs",
    )  # fmt: skip
    trainer = Trainer(model, args, train_dataset=rows(), tokenizer=tokenizer)
    trainer.train()
    report(trainer)


tok, model = AutoTokenizer.from_pretrained(FOLDER), AutoModelForCausalLM.from_pretrained(FOLDER)
for parameter in model.model.parameters():
    parameter.requires_grad = False
stage(model, "head", 1e-2, tok)
model.requires_grad_(True)
stage(model, "all", 1e-3, tok)
