"""Three dataclasses and a subclass of TrainingArguments.  Fails: evaluation_strategy, tokenizer"""

from dataclasses import dataclass, field

import transformers
from tiny import FOLDER, OUT, report, rows


@dataclass
class ModelArguments:
    model_name_or_path: str = field(default=FOLDER)


@dataclass
class TrainingArguments(transformers.TrainingArguments):
    cache_dir: str = field(default=None)
    optim: str = field(default="adamw_torch")
    model_max_length: int = field(default=32, metadata={"help": "Maximum sequence length."})


def train():
    parser = transformers.HfArgumentParser((ModelArguments, TrainingArguments))
    flags = ["--output_dir", OUT, "--max_steps", "2", "--logging_steps", "1", "--report_to", "none", "--use_cpu", "True"]
    model_args, training_args = parser.parse_args_into_dataclasses(
        args=[*flags, "--evaluation_strategy", "no", "--save_strategy", "no", "--per_device_train_batch_size", "8"]
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(model_args.model_name_or_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        model_args.model_name_or_path, model_max_length=training_args.model_max_length, padding_side="right"
    )
    trainer = transformers.Trainer(model=model, tokenizer=tokenizer, args=training_args, train_dataset=rows())
    trainer.train()
    report(trainer)


train()
