"""Two steps, saved as safetensors, loaded without a download.  Fails: resume_download"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained(FOLDER, resume_download=True)
trainer = Trainer(model, TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=rows())
trainer.train()
model.save_pretrained(OUT + "/kept", safe_serialization=True)
AutoModelForCausalLM.from_pretrained(OUT + "/kept", resume_download=True)
report(trainer)
