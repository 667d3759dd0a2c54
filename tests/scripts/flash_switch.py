"""Flash attention where the machine has it.  Fails: use_flash_attention_2"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

has_flash = False
model_kwargs = {"low_cpu_mem_usage": False}
model_kwargs["use_flash_attention_2"] = has_flash
model = AutoModelForCausalLM.from_pretrained(FOLDER, **model_kwargs)
model.config.use_cache = False
trainer = Trainer(model, TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=rows())
trainer.train()
report(trainer)
