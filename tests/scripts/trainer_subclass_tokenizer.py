"""A subclass with a constructor of its own.  Fails: tokenizer"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments


class PromptTrainer(Trainer):
    def __init__(self, *args, prompts=None, tokenizer=None, **kwargs):
        super().__init__(*args, tokenizer=tokenizer, **kwargs)
        self.prompts = prompts or []

    def encode(self):
        return [self.tokenizer(p)["input_ids"] for p in self.prompts]


tok = AutoTokenizer.from_pretrained(FOLDER)
args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = PromptTrainer(
    AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows(), prompts=["w1 w2"], tokenizer=tok
)
assert trainer.encode() == [[9, 10]]
trainer.train()
report(trainer)
