"""Settings out of a dictionary, through the parser.  Fails: evaluation_strategy"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, HfArgumentParser, Trainer, TrainingArguments

loaded = {"output_dir": OUT, "evaluation_strategy": "no", "save_strategy": "no", "max_steps": 2, "logging_steps": 1}
loaded["per_gpu_train_batch_size"] = 8
loaded["no_cuda"] = True
parser = HfArgumentParser((TrainingArguments,))
(args,) = parser.parse_dict({**loaded, "report_to": "none"})
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
