"""Batch sizes under their first names.  Fails: per_gpu_train_batch_size"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

trainer = Trainer(
    model=AutoModelForCausalLM.from_pretrained(FOLDER),
    args=TrainingArguments(
        output_dir=OUT,
        per_gpu_train_batch_size=8,
        per_gpu_eval_batch_size=4,
        num_train_epochs=2,
        logging_steps=1,
        save_steps=1_000,
        report_to=[],
        use_cpu=True,
    ),
    train_dataset=rows(),
)
trainer.train()
report(trainer)
