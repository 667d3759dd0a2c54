"""Patches of scripts together: what one of them changes, another does not take back."""

from __future__ import annotations

from doctor.diagnose import diagnose
from doctor.model import Facts, Source
from doctor.patch import rewrite

SCRIPT = """import torch
import transformers
from peft import prepare_model_for_int8_training
from transformers import Trainer, TrainingArguments


def build(out):
    args = TrainingArguments(out, evaluation_strategy="no", logging_dir="logs", no_cuda=True)
    args.evaluation_strategy = "steps"
    if not args.overwrite_output_dir:
        args.no_cuda = False
    return args


class Mine(Trainer):
    def training_step(self, model, inputs):
        self.optimizer = transformers.AdamW(model.parameters(), lr=self.args.warmup_ratio)
        return super().training_step(model, inputs), self.tokenizer.encode_plus("a")


trainer = Mine(prepare_model_for_int8_training(model), build("o"), tokenizer=tokenizer)
box.prepare_model_for_int8_training(prepare_model_for_int8_training=True)
"""
LINES = (
    '    args.eval_strategy = "steps"',
    '    if not getattr(args, "overwrite_output_dir", False):',
    "        args.use_cpu = False",
    "    def training_step(self, model, inputs, *more_args, **more_kwargs):",
    '        self.optimizer = torch.optim.AdamW(model.parameters(), lr=getattr(self.args, "warmup_ratio", 0.0), '
    "eps=1e-6, weight_decay=0.0)",
    '        return super().training_step(model, inputs, *more_args, **more_kwargs), self.processing_class("a")',
    'trainer = Mine(prepare_model_for_kbit_training(model), build("o"), processing_class=tokenizer)',
    "box.prepare_model_for_int8_training(prepare_model_for_int8_training=True)",
)


OBJECT = """from transformers import Trainer, TrainingArguments

class Runner:
    def __init__(self, model):
        self.options = {"evaluation_strategy": "no", "warmup_ratio": 0.0}
        self.options.update(no_cuda=True)
        self.options["save_safetensors"] = True
        self.args = TrainingArguments("o", **self.options)
        self.trainer = Trainer(model=model, args=self.args, tokenizer=self.tokenizer)

    def run(self):
        self.trainer.train(model_path=None)
        self.trainer.tokenizer.save_pretrained("o")
        return self.args.no_cuda
"""
OBJECT_AFTER = """from transformers import Trainer, TrainingArguments

class Runner:
    def __init__(self, model):
        self.options = {"eval_strategy": "no"}
        self.options.update(use_cpu=True)
        self.args = TrainingArguments("o", **self.options)
        self.trainer = Trainer(model=model, args=self.args, processing_class=self.tokenizer)

    def run(self):
        self.trainer.train(resume_from_checkpoint=None)
        self.trainer.processing_class.save_pretrained("o")
        return self.args.use_cpu
"""
TRIED = """from transformers import TrainingArguments
try:
    a = TrainingArguments("o", eval_strategy="no")
except TypeError:
    a = TrainingArguments("o", evaluation_strategy="no")
"""


def test_attributes_of_self_are_variables() -> None:
    assert rewrite(OBJECT).text == OBJECT_AFTER


def test_an_author_s_own_answer_stays() -> None:
    facts = Facts(sources=(Source("a.py", "script", TRIED),))
    assert rewrite(TRIED).text == TRIED and not diagnose(facts).findings


def test_every_patch_s_change_stays() -> None:
    done = rewrite(SCRIPT).text
    assert [line for line in LINES if line not in done.splitlines()] == []
    assert rewrite(done).text == done
