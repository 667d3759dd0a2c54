"""A loss of the method's own, a mean over each of the batches of an update.  Fails: num_items_in_batch"""

from tiny import FOLDER, OUT, report, rows
from torch import nn
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments


class OwnLoss(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        logits = outputs.get("logits")[:, :-1]
        loss = nn.CrossEntropyLoss()(logits.flatten(0, 1), labels[:, 1:].flatten())
        return (loss, outputs) if return_outputs else loss


class Penalised(OwnLoss):
    def compute_loss(self, model, inputs, return_outputs=False):
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        loss = loss + 1e-3 * sum(p.pow(2).sum() for p in model.parameters())
        return (loss, outputs) if return_outputs else loss


args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=2, gradient_accumulation_steps=4, logging_steps=1,
                         save_strategy="no", report_to="none", use_cpu=True)  # fmt: skip
trainer = Penalised(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows(), eval_dataset=rows())
trainer.train()
report(trainer)
at_once = trainer.evaluate()["eval_loss"]
assert abs(at_once - trainer.state.log_history[1]["loss"]) < 0.5, "a training loss is no multiple of the loss"
