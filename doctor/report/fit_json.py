"""A memory forecast as JSON, schema 1."""

from __future__ import annotations

import json
from typing import Any

from doctor.memory.forecast import Forecast
from doctor.memory.run import Estimate
from doctor.report.fit_settings import settings


def render(forecast: Forecast) -> str:
    """One object; bytes as integers, without the CUDA context, which `fits` takes into account."""
    return (
        json.dumps(
            {
                "schema": 1,
                "model": forecast.name,
                "parameters": forecast.shape.parameters,
                "card": forecast.card,
                "estimates": [_estimate(estimate, forecast.card) for estimate in forecast.estimates],
                "table": [
                    {
                        "method": row.run.method,
                        "quant": row.run.quant,
                        "recipe": row.recipe.name,
                        "batch": row.run.batch,
                        "peaks": {str(length): estimate.peak for length, estimate in row.peaks.items()},
                        "longest": row.longest,
                    }
                    for row in forecast.rows
                ],
                "settings": settings(forecast),
                "variables": list(forecast.variables),
                "notes": list(forecast.notes),
            },
            indent=2,
        )
        + "\n"
    )


def _estimate(estimate: Estimate, card: int | None) -> dict[str, Any]:
    return {
        "stage": estimate.stage,
        "transformers": estimate.transformers,
        "peak": estimate.peak,
        "low": estimate.low,
        "high": estimate.high,
        "parts": dict(estimate.parts),
        "fits": estimate.fits(card),
        "where": estimate.where,
        "why": estimate.why,
        "host": estimate.host,
    }
