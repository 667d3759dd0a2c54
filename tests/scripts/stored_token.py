"""The token that `huggingface-cli login` stored.  Fails: HfFolder"""

from huggingface_hub import HfFolder
from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

print("logged in:", HfFolder.get_token() is not None)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=rows())
trainer.train()
report(trainer)
