"""import transformers as tf.  Fails: no_cuda"""

import transformers as tf
from tiny import FOLDER, OUT, report, rows

ta = tf.TrainingArguments(
    OUT, no_cuda=True, warmup_ratio=0.5, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no",
    report_to="none",
)  # fmt: skip
trainer = tf.Trainer(tf.AutoModelForCausalLM.from_pretrained(FOLDER), ta, train_dataset=rows())
trainer.train()
report(trainer)
