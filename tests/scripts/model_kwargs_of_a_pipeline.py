"""A pipeline for a look at the answers.  Fails: load_in_8bit"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments, pipeline

model = AutoModelForCausalLM.from_pretrained(FOLDER)
trainer = Trainer(model, TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=rows())
trainer.train()
ask = pipeline("text-generation", model=FOLDER, device="cpu", model_kwargs={"load_in_8bit": False})
assert ask("w1 w2", max_new_tokens=2)[0]["generated_text"].startswith("w1 w2")
report(trainer)
