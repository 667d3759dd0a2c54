"""transformers.Trainer with the batches, the loss and the measurements of a run of ours.

What releases do differently is settled here: the plan says how many tokens an update learns, so that its gradient is
the mean over them however batches are accumulated or spread, and its lines are logged in full precision.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

import torch
import transformers
from torch.utils.data import DataLoader

from doctor.settings import UsageError
from doctor.trainer.batch import Batch, Batches
from doctor.trainer.loss import Loss
from doctor.trainer.plan import Line, Plan
from doctor.trainer.resources import memory
from doctor.trainer.run_folder import WHOLE, Metric, Told


class Tuner(transformers.Trainer):  # type: ignore[misc]
    """A run.  `lines` gets every metric as a line of JSON; `told` is called with it."""

    def __init__(
        self,
        model: Any,
        args: Any,
        batches: Batches,
        plan: Plan,
        holdout: Sequence[Line],
        loss: Loss,
        patience: int | None = None,
        offload: bool = False,
    ) -> None:
        super().__init__(model=model, args=args, train_dataset=batches, eval_dataset=holdout or None)
        self.remove_callback(transformers.PrinterCallback)
        self.batches, self.plan, self.holdout, self.loss_of = batches, plan, holdout, loss
        self.patience, self.offload = patience, offload
        self.measured: list[float] = []
        """Held-out losses after the first update."""
        self.tokens = 0
        self.lines: TextIO | None = None
        self.told: Told = lambda metric: None
        self.began = time.monotonic()
        self._summed: Any = 0.0
        self._rate = 0.0
        self._last = (self.began, 0, 0)
        """When the last line was logged, with how many tokens and updates."""

    def start(self, lines: Sequence[Metric]) -> None:
        """Go on after the lines of an earlier process."""
        self.measured = [line["eval_loss"] for line in lines if "eval_loss" in line and line["step"]]
        self.tokens = max((line.get("tokens", 0) for line in lines), default=0)
        self.began = time.monotonic()
        self._last = (self.began, self.tokens, lines[-1]["step"] if lines else 0)

    def get_train_dataloader(self) -> Any:
        """The plan's batches; each process makes its own, so that nothing is left to be spread."""
        # Without a generator of its own, a loader draws from the one that dropout uses.
        return DataLoader(self.batches, batch_sampler=self.plan, collate_fn=_only, generator=torch.Generator())

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> Any:
        """The gradient of one batch's share in the mean over the update's tokens."""
        model.train()
        self._rate = self.lr_scheduler.get_last_lr()[0]
        self.tokens += inputs["tokens"]
        batch = self._prepare_inputs(inputs)
        with self.compute_loss_context_manager(), self._elsewhere():
            share = self.loss_of(model, batch) * (self.args.world_size / batch["learnt"])
        if self.accelerator.distributed_type == "DEEPSPEED":
            self.accelerator.backward(share, scale_wrt_gas=False)
        else:
            self.accelerator.backward(share * self.accelerator.gradient_accumulation_steps)
        self._summed = self._summed + share.detach()
        return share.detach()

    def _elsewhere(self) -> AbstractContextManager[Any]:
        """Where layer inputs wait for the backward pass."""
        if not self.offload:
            return nullcontext()
        found: AbstractContextManager[Any] = torch.autograd.graph.save_on_cpu(pin_memory=torch.cuda.is_available())
        return found

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The mean loss over the learnt tokens of the held-out rows."""
        metrics: dict[str, float] = {"eval_loss": self._held_out()}
        if self.state.global_step:
            self.measured.append(metrics["eval_loss"])
        self.log(metrics)
        control: Any = self.control
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, control, metrics)
        if self.patience and self._since_best() >= self.patience:
            self.control.should_training_stop = True
        return metrics

    def _since_best(self) -> int:
        """Measurements since the lowest."""
        return self.measured[::-1].index(min(self.measured)) if self.measured else 0

    def _held_out(self) -> float:
        model, store = self.model_wrapped, self.batches.store
        model.eval()
        total = torch.zeros((), dtype=torch.float64)
        size = self.args.per_device_train_batch_size
        mine = range(self.args.process_index * size, len(self.holdout), self.args.world_size * size)
        with torch.no_grad(), self.compute_loss_context_manager():
            for place in mine:
                batch = self._prepare_inputs(self.batches.tensors(self.holdout[place : place + size]))
                total += self.loss_of(model, batch).double().cpu()
        if self.args.world_size > 1:
            total = self.accelerator.reduce(total.float().to(self.args.device)).double().cpu()
        learnt = sum(store.learnt[row] for line in self.holdout for row in line)
        return float(total / learnt)

    def log(self, logs: dict[str, float], *rest: Any) -> None:
        """Write a line of metrics.jsonl, and pass it on to trackers."""
        step = self.state.global_step
        self.state.epoch = step / self.plan.updates_an_epoch
        seconds = time.monotonic() - self.began
        line: Metric = {"step": step, "epoch": round(self.state.epoch, 4), "seconds": round(seconds, 3)}
        if "eval_loss" in logs:
            line["eval_loss"] = logs["eval_loss"]
        elif "loss" in logs:
            line |= self._learning(logs, step)
        else:  # Trainer's summary
            return
        super().log({**logs, **{key: value for key, value in line.items() if key != "step"}}, *rest)
        if self.lines is not None:
            self.lines.write(json.dumps(line) + "\n")
            self.lines.flush()
        self.told(line)

    def _learning(self, logs: dict[str, float], step: int) -> Metric:
        """What a line says of the updates since the one before.  Raises UsageError where the loss is no number."""
        then, tokens, before = self._last
        total = self._summed if self.args.world_size == 1 else self.accelerator.reduce(self._summed, "mean")
        loss = float(total) / max(step - before, 1)
        if not math.isfinite(loss):
            raise UsageError(
                f"the loss is {loss} at update {step}: lower learning_rate (now {self.args.learning_rate:g}), or set "
                "max_grad_norm or warmup; the checkpoints before it are kept"
            )
        now, self._summed = time.monotonic(), 0.0
        self._last = (now, self.tokens, step)
        line: Metric = {
            "loss": loss,
            "learning_rate": self._rate,
            "tokens": self.tokens,
            "tokens_per_second": round((self.tokens - tokens) / max(now - then, 1e-9), 1),
            "memory": memory(self.args.device),
        }
        if "grad_norm" in logs:
            line["grad_norm"] = logs["grad_norm"]
        return line

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        super()._save_checkpoint(*args, **kwargs)
        self.accelerator.wait_for_everyone()
        if self.args.process_index == 0:
            (Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}" / WHOLE).touch()


def _only(batches: Sequence[Batch]) -> Batch:
    return batches[0]
