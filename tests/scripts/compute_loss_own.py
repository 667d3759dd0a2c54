"""A weighted loss, computed in the method.  Fails: num_items_in_batch"""

import torch
from tiny import FOLDER, OUT, report, rows
from torch import nn
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments


class WeightedTrainer(Trainer):
    def compute_loss(
        self,
        model,
        inputs,
        return_outputs=False,
    ):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        logits = outputs.get("logits")[:, :-1]
        weights = torch.linspace(0.5, 1.5, logits.shape[-1])
        loss = nn.CrossEntropyLoss(weight=weights)(logits.flatten(0, 1), labels[:, 1:].flatten())
        return (loss, outputs) if return_outputs else loss


args = TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = WeightedTrainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
