"""A callback that looks for the tokenizer in its keywords.  Fails: tokenizer"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments


class Peek(TrainerCallback):
    seen = 0

    def on_step_end(self, args, state, control, **kwargs):
        self.seen += kwargs["tokenizer"].vocab_size


peek = Peek()
args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows(), callbacks=[peek],
                  tokenizer=AutoTokenizer.from_pretrained(FOLDER))  # fmt: skip
trainer.train()
assert peek.seen == 64
report(trainer)
