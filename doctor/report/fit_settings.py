"""The settings that fit, as they stand in train.yaml."""

from __future__ import annotations

from doctor.memory.forecast import Forecast
from doctor.size import gib


def settings(forecast: Forecast) -> str | None:
    """YAML, its first lines saying what it takes; None where nothing fits or no card is known."""
    if forecast.choice is None or forecast.card is None:
        return None
    recipe, run = forecast.choice
    lines = [
        f"# fits {gib(forecast.card)}: {recipe.title}",
        *(f"# first: export {name}" for name in forecast.variables),
    ]
    lines += [
        f"model: {_quoted(forecast.name)}",
        f"method: {run.method}",
        *([f"lora: {{r: {run.rank}}}"] if run.method != "full" else []),
        f"max_length: {run.max_length}",
        f"batch: {run.batch}",
        f"accumulate: {run.accumulate}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    import json

    return (
        name if name.replace("/", "").replace("-", "").replace("_", "").replace(".", "").isalnum() else json.dumps(name)
    )
