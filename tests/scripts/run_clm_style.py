"""Looks for a checkpoint before it starts, as the example scripts did.  Fails: overwrite_output_dir"""

import os

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, HfArgumentParser, Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

parser = HfArgumentParser(TrainingArguments)
(training_args,) = parser.parse_args_into_dataclasses(
    ["--output_dir", OUT, "--max_steps", "2", "--per_device_train_batch_size", "8", "--logging_steps", "1",
     "--report_to", "none", "--use_cpu", "True", "--save_strategy", "no", "--do_train"]
)  # fmt: skip
last_checkpoint = None
if os.path.isdir(training_args.output_dir) and training_args.do_train and not training_args.overwrite_output_dir:
    last_checkpoint = get_last_checkpoint(training_args.output_dir)
set_seed(training_args.seed)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), training_args, train_dataset=rows())
if training_args.do_train:
    trainer.train(resume_from_checkpoint=last_checkpoint)
report(trainer)
