"""What a run folder holds, and how each of its files is read and written.

config.yaml      the resolved configuration: `doctor train RUN/config.yaml` repeats the run
facts.json       the environment, as `doctor check --facts` reads it
data.json        what was learnt of the data: `DataReport`
metrics.jsonl    one JSON object a line, a line a log or a measurement: `Metric`
samples.json     a list of held-out prompts with the answers before and after: `Sample`
adapter/         the adapter (peft), its tokenizer beside it; of the best checkpoint where rows are held out
model/           instead of it, for `method: full`: the whole model
checkpoints/     what `--resume` goes on from
command.txt      the command that repeats the run
result.json      how it ended: `Result`
report.html      the run as a page
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

WHOLE = "whole"
"""The file in a checkpoint that is written last: without it the checkpoint was not finished."""


class Refused(TypedDict):
    """A row that is not trained on."""

    row: str
    """The file's name and the row's number in it, from 1: `persona.jsonl:12`."""
    why: str
    length: int
    """Tokens that it needs; 0 where that is not why."""


class DataReport(TypedDict):
    """data.json; lengths and counts of tokens as the model reads them."""

    path: str
    digest: str
    """SHA-256 of every row's token ids and labels, in the order of the file: equal data, template and tokenizer."""
    rows: int
    """Rows of the file."""
    train: int
    """Rows that are trained on."""
    holdout: int
    """Rows that are held out."""
    refused: list[Refused]
    """The first thousand of them."""
    refused_count: int
    shortened: int
    """Conversations whose oldest turns were dropped."""
    longest: int
    """Tokens of the longest row as it stands in the file: the `max_length` that keeps everything."""
    max_length: int
    tokens: int
    """Tokens of the rows that are trained on, once."""
    learnt: int
    """Those among them that are learnt."""
    layouts: dict[str, int]
    """Rows by layout."""
    lengths: dict[str, int]
    """Rows by tokens, in at most ten classes of one width, those without rows among them: `0-64`."""


class Metric(TypedDict, total=False):
    """A line of metrics.jsonl.  Lines of training have `loss`, measurements have `eval_loss`."""

    step: int
    """Updates so far."""
    epoch: float
    """How often every row was seen."""
    loss: float
    """Mean over the tokens learnt since the line before, in nats."""
    learning_rate: float
    grad_norm: float
    tokens: int
    """Tokens read so far, padding left out."""
    tokens_per_second: float
    """Since the line before."""
    memory: int
    """The peak so far, in bytes: of the GPU's allocator, or of the process where there is no GPU."""
    seconds: float
    """Since training began; a resumed run counts its own."""
    eval_loss: float
    """Mean over the learnt tokens of the held-out rows, in nats."""


Told = Callable[[Metric], None]
"""Who is told of every metric as it comes."""


class Sample(TypedDict):
    """A held-out prompt with three answers."""

    row: str
    messages: list[dict[str, Any]]
    """The prompt."""
    expected: str
    before: str
    after: str


class Result(TypedDict):
    """result.json."""

    steps: int
    """Updates that were made."""
    planned: int
    stopped_early: bool
    best_step: int | None
    """The checkpoint whose weights were kept; None where no rows are held out."""
    eval_loss_before: float | None
    """The held-out loss before the first update."""
    eval_loss: float | None
    """That of the weights that were kept."""
    seconds: float
    tokens: int
    memory: int
    trainable: int
    """Weights that are trained."""
    parameters: int
    """Weights in all."""
    versions: dict[str, str]
    """Releases of what trained: python, torch, transformers, peft, ..."""


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def facts(self) -> Path:
        return self.path / "facts.json"

    @property
    def data(self) -> Path:
        return self.path / "data.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        return self.path / "samples.json"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def command(self) -> Path:
        return self.path / "command.txt"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def last_checkpoint(self) -> Path | None:
        """The newest checkpoint that was written to its end."""
        found = [path.parent for path in self.checkpoints.glob(f"checkpoint-*/{WHOLE}")]
        return max(found, key=step_of, default=None)

    def metric_lines(self) -> Iterator[Metric]:
        """metrics.jsonl, less a line that was being written when the process was killed."""
        if not self.metrics.exists():
            return
        for line in self.metrics.read_text("utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return


def step_of(checkpoint: Path) -> int:
    """Updates behind a checkpoint.

    >>> step_of(Path("checkpoints/checkpoint-12"))
    12
    """
    return int(checkpoint.name.rpartition("-")[2])


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    """Write a file of the run as a whole, or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file of the run as a whole, or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, "utf-8")
    unfinished.replace(path)
