"""A callback that names the tokenizer.  Fails: tokenizer"""

import transformers
from tiny import FOLDER, OUT, report, rows


class SayHello(transformers.TrainerCallback):
    def on_train_begin(self, args, state, control, model=None, tokenizer=None, **kwargs):
        ids = tokenizer("w1 w2 w3", return_tensors="pt").input_ids
        assert model(ids).logits.shape[1] == 3, tokenizer.name_or_path


trainer = transformers.Trainer(
    model=transformers.AutoModelForCausalLM.from_pretrained(FOLDER),
    tokenizer=transformers.AutoTokenizer.from_pretrained(FOLDER),
    args=transformers.TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True),
    train_dataset=rows(),
    callbacks=[SayHello()],
)
trainer.train()
report(trainer)
