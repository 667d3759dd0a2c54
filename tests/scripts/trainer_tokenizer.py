"""The Trainer is given the tokenizer, and asked for it.  Fails: tokenizer"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
trainer = Trainer(
    model=AutoModelForCausalLM.from_pretrained(FOLDER),
    args=TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True),
    train_dataset=rows(),
    tokenizer=tokenizer,
)
trainer.train()
trainer.tokenizer.save_pretrained(OUT)
report(trainer)
