"""Tasks of lm-evaluation-harness, run through its own API on the model that is loaded already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from doctor.evaluate.config import Config
from doctor.evaluate.extras import needed
from doctor.evaluate.generation import inner
from doctor.evaluate.model import TaskScore
from doctor.evaluate.weights import Weights
from doctor.settings import UsageError


def run_tasks(weights: Weights, config: Config) -> tuple[TaskScore, ...]:
    """The metrics of the configuration's tasks; raises UsageError where a task is not known or cannot be run."""
    harness, tasks = needed("lm_eval", "harness"), needed("lm_eval.tasks", "harness")
    models = needed("lm_eval.models.huggingface", "harness")
    wanted = config.lm_eval
    manager = tasks.TaskManager(include_path=wanted.include or None)
    if unknown := [name for name in wanted.tasks if name not in manager.all_tasks]:
        raise UsageError(
            f"{config.path}: 'lm_eval' has the task {unknown[0]!r}, which lm_eval {harness.__version__} does not know: "
            "`lm_eval ls tasks` lists them; a folder of tasks of your own goes into 'include'"
        )
    model = models.HFLM(
        pretrained=inner(weights.model) or weights.model,
        tokenizer=weights.tokenizer,
        batch_size=wanted.batch or config.generate.batch,
    )
    try:
        found = harness.simple_evaluate(
            model=model,
            tasks=list(wanted.tasks),
            num_fewshot=wanted.shots,
            limit=wanted.limit,
            task_manager=manager,
            log_samples=False,
            bootstrap_iters=1000,
        )
    except (OSError, ValueError, ConnectionError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UsageError(f"{config.path}: lm_eval cannot run {', '.join(wanted.tasks)}: {first}") from error
    return tuple(_scores(found))


def _scores(found: Mapping[str, Any]) -> Iterator[TaskScore]:
    """Every metric of every task; what is no number is none."""
    for task, metrics in found["results"].items():
        counts = found.get("n-samples", {}).get(task, {})
        for named, value in metrics.items():
            metric, _, filtered = named.partition(",")
            if not filtered or metric.endswith("_stderr") or isinstance(value, str):
                continue
            error = metrics.get(f"{metric}_stderr,{filtered}")
            yield TaskScore(
                task,
                metric if filtered == "none" else f"{metric} ({filtered})",
                float(value),
                float(error) if isinstance(error, int | float) else None,
                counts.get("effective"),
                found.get("higher_is_better", {}).get(task, {}).get(metric, True) is not False,
            )
