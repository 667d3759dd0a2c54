"""FSDP settings of a multi-GPU template, off here.  Fails: fsdp_min_num_params"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

distributed = {"fsdp_min_num_params": 0, "fsdp_transformer_layer_cls_to_wrap": None, "ddp_find_unused_parameters": False}
single = {"max_steps": 2, "per_device_train_batch_size": 8, "logging_steps": 1, "use_cpu": True}
args = TrainingArguments(**{"output_dir": OUT, **distributed, **single}, save_strategy="no", report_to="none")
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
