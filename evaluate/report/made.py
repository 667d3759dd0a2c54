"""How the answers of a run were made, for every report."""

from __future__ import annotations

from doctor.evaluate.evaluation import Evaluation


def how(run: Evaluation) -> str:
    """How the answers were made, in a sentence; empty where they were recorded."""
    settings = run.settings
    parts = [
        f"by {settings['backend']}" if settings.get("backend") else "",
        f"asked with {settings['prompt']}" if settings.get("prompt") else "",
        str(settings.get("batches") or ""),
        f"{settings['tokens_per_second']} tokens/s" if settings.get("tokens_per_second") else "",
    ]
    return "; ".join(filter(None, parts))
