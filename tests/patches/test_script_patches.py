"""Patches of scripts together: what one of them changes, another does not take back."""

from __future__ import annotations

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


def test_every_patch_s_change_stays() -> None:
    done = rewrite(SCRIPT).text
    assert [line for line in LINES if line not in done.splitlines()] == []
    assert rewrite(done).text == done
