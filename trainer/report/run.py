"""What a run's folder tells, read once for every form of its report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, cast

from doctor.settings import UsageError
from doctor.trainer.run_folder import DataReport, Metric, Result, RunFolder, Sample

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Run:
    """One run; `result` is None while it has not ended."""

    name: str
    config: dict[str, Any]
    config_text: str
    data: DataReport
    metrics: Sequence[Metric]
    samples: Sequence[Sample]
    command: str
    result: Result | None
    machine: str

    def points(self, key: str) -> Points:
        """(update, value) of every line that has the key; what is no finite number is left out."""
        found = [(float(line["step"]), line[key]) for line in map(dict, self.metrics) if key in line]  # type: ignore[arg-type]
        return [(step, float(cast(float, value))) for step, value in found if isfinite(cast(float, value))]

    @property
    def diverged(self) -> int | None:
        """The first update whose loss is no number."""
        lines = (line for line in self.metrics if "loss" in line and not isfinite(line["loss"]))
        return next((line["step"] for line in lines), None)

    @property
    def model(self) -> str:
        """The model's name: the last part of its path."""
        return Path(str(self.config.get("model", "?"))).name

    @property
    def verdict(self) -> tuple[str, bool]:
        """What the curves say, in a sentence, and whether it is well."""
        if self.diverged is not None:
            return (
                f"The loss is no number from update {self.diverged:,} on: lower learning_rate, or train in bfloat16",
                False,
            )
        if self.result is None:
            return "The run has not ended; this is how far it came", False
        before, after = self.result["eval_loss_before"], self.result["eval_loss"]
        if before is None or after is None:
            return "No rows were held out, so nothing tells whether it learnt or memorised: set data.holdout", False
        held = self.points("eval_loss")
        if after >= before:
            return f"The held-out loss did not fall: {before:.3f} before, {after:.3f} at best", False
        best = self.result["best_step"]
        said = f"The held-out loss fell from {before:.3f} to {after:.3f} at update {best:,}, which was kept"
        if held[-1][1] > after * 1.02:
            return (
                f"{said}; it rose to {held[-1][1]:.3f} afterwards, where the model only memorised: fewer epochs do",
                True,
            )
        return said, True


def read(folder: Path) -> Run:
    """The run of a folder; raises UsageError where it is none."""
    import yaml

    run = RunFolder(folder)
    if not run.config.is_file() or not run.data.is_file():
        raise UsageError(f"{folder} is no run of `doctor train`: it has no config.yaml and data.json")
    text = run.config.read_text("utf-8")
    return Run(
        name=folder.resolve().name,
        config=yaml.safe_load(text) or {},
        config_text=text,
        data=json.loads(run.data.read_text("utf-8")),
        metrics=list(run.metric_lines()),
        samples=json.loads(run.samples.read_text("utf-8")) if run.samples.is_file() else [],
        command=run.command.read_text("utf-8").strip() if run.command.is_file() else "",
        result=json.loads(run.result.read_text("utf-8")) if run.result.is_file() else None,
        machine=_machine(run.facts),
    )


def _machine(path: Path) -> str:
    """What it ran on: the GPUs of facts.json, or none."""
    if not path.is_file():
        return ""
    machine = json.loads(path.read_text("utf-8")).get("machine") or {}
    return ", ".join(str(gpu.get("name")) for gpu in machine.get("gpus") or ()) or "CPU"
