"""One class for text, another for pictures.  Fails: AutoModelForVision2Seq"""

from tiny import FOLDER, OUT, report, rows
from transformers import (
    AutoModelForCausalLM,
    AutoModelForVision2Seq,
    Trainer,
    TrainingArguments,
)

pictures = False
loader = AutoModelForVision2Seq if pictures else AutoModelForCausalLM
trainer = Trainer(loader.from_pretrained(FOLDER), TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=rows())
trainer.train()
report(trainer)
