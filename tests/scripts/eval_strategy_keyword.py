"""Plain causal LM training with an evaluation after each step.  Fails: evaluation_strategy"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained(FOLDER)
training_args = TrainingArguments(
    output_dir=OUT,
    evaluation_strategy="steps",  # every step
    eval_steps=1,
    per_device_train_batch_size=8,
    learning_rate=1e-3,
    max_steps=2,
    logging_steps=1,
    save_strategy="no",
    report_to="none",
    use_cpu=True,
)
trainer = Trainer(model=model, args=training_args, train_dataset=rows(), eval_dataset=rows(4))
trainer.train()
report(trainer)
