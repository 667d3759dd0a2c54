"""A token for model and tokenizer.  Fails: use_auth_token"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

TOKEN = None
config = AutoConfig.from_pretrained(FOLDER, use_auth_token=TOKEN)
tokenizer = AutoTokenizer.from_pretrained(FOLDER, use_auth_token=TOKEN, use_fast=True)
model = AutoModelForCausalLM.from_pretrained(FOLDER, config=config, use_auth_token=TOKEN, resume_download=False)
trainer = Trainer(model, TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=rows())
trainer.train()
report(trainer)
