"""One training of a few updates, by us or as users would write it; prints a line of JSON.

    python rivals.py doctor|trainer|trl CONFIG.yaml

All read the same rows and learn the same tokens; those that do not pack, in the same order.  CPU seconds are those of
the training alone; tokens are those of the rows, without padding, each row's in full also where it is packed.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")


def main(how: str, file: str) -> None:
    """Train and print what it took."""
    import torch
    import transformers

    from doctor.trainer.build import build
    from doctor.trainer.config import read_config
    from doctor.trainer.data import prepare
    from doctor.trainer.model import load_tokenizer
    from doctor.trainer.plan import Plan
    from doctor.trainer.resources import memory

    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    config = read_config(Path(file))
    tokenizer = load_tokenizer(config.model)
    prepared = prepare(config, tokenizer)
    plan = Plan(config, prepared.store, prepared.train)
    rows = [[row for line in micro.lines for row in line] for [micro] in plan]
    tokens = sum(prepared.store.length(row) for batch in rows for row in batch)
    model = build(config)
    run = {"doctor": ours, "trainer": plain, "trl": sft}[how](config, tokenizer, prepared, plan, model, rows)
    before = time.process_time()
    loss = run()
    took = time.process_time() - before
    print(  # noqa: T201
        json.dumps(
            {"how": how, "tokens": tokens, "cpu": took, "rate": tokens / took, "loss": loss, "peak": memory("cpu")}
        )
    )


def ours(config: Any, tokenizer: Any, prepared: Any, plan: Any, model: Any, rows: Any) -> Any:
    """The trainer of this project."""
    import torch

    from doctor.trainer.batch import Batches
    from doctor.trainer.build import arguments
    from doctor.trainer.loss import Loss
    from doctor.trainer.tuner import Tuner

    args = arguments(config, plan, Path(config.output), False, False)
    batches = Batches(prepared.store, torch.float32, config.packing)
    tuner = Tuner(model, args, batches, plan, [], Loss(model))
    told: list[float] = []
    tuner.told = lambda metric: told.append(metric["loss"])

    def run() -> float:
        tuner.train()
        return told[-1]

    return run


def dataset(prepared: Any, rows: Any) -> Any:
    """The rows in the order of the plan."""
    from datasets import Dataset

    flat = [prepared.store[row] for batch in rows for row in batch]
    return Dataset.from_list(
        [
            {
                "input_ids": ids,
                "labels": labels,
                "attention_mask": [1] * len(ids),
                "completion_mask": [int(n >= 0) for n in labels],
            }
            for ids, labels in flat
        ]
    )


def settings(config: Any, plan: Any) -> dict[str, Any]:
    """The same arguments."""
    return {
        "output_dir": config.output, "max_steps": plan.updates, "per_device_train_batch_size": config.batch,
        "gradient_accumulation_steps": config.accumulate, "learning_rate": config.learning_rate, "use_cpu": True,
        "lr_scheduler_type": "linear", "optim": "adamw_torch", "report_to": "none", "save_strategy": "no",
        "logging_steps": 1, "disable_tqdm": True, "gradient_checkpointing": False,
    }  # fmt: skip


def in_order(base: Any) -> Any:
    """A Trainer that takes the rows in their order."""
    import torch

    class InOrder(base):  # type: ignore[misc]
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    return InOrder


def plain(config: Any, tokenizer: Any, prepared: Any, plan: Any, model: Any, rows: Any) -> Any:
    """transformers.Trainer and peft, as most scripts have it."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    data = dataset(prepared, rows).remove_columns("completion_mask")
    trainer = in_order(Trainer)(
        model, TrainingArguments(**settings(config, plan)), DataCollatorForSeq2Seq(tokenizer, padding=True), data
    )
    return lambda: ended(trainer)


def sft(config: Any, tokenizer: Any, prepared: Any, plan: Any, model: Any, rows: Any) -> Any:
    """TRL's SFTTrainer, with its own packing where the configuration packs."""
    from trl import SFTConfig, SFTTrainer

    packs = {"packing": config.packing, "max_length": config.max_length, "shuffle_dataset": False}
    told = settings(config, plan)
    if config.packing:  # it fills lines in another way, which may be one more or less
        told |= {"max_steps": -1, "num_train_epochs": config.epochs}
    trainer = in_order(SFTTrainer)(
        model,
        SFTConfig(**told, **packs, completion_only_loss=True, bf16=False),
        train_dataset=dataset(prepared, rows).remove_columns("labels"),
        processing_class=tokenizer,
    )
    return lambda: ended(trainer)


def ended(trainer: Any) -> float:
    """The loss of the last update."""
    import os
    from contextlib import redirect_stdout

    with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing):
        trainer.train()
    return float([line["loss"] for line in trainer.state.log_history if "loss" in line][-1])


if __name__ == "__main__":
    main(*sys.argv[1:])
