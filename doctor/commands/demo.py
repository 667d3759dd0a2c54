"""`doctor demo`: the whole job on real models, in a scratch folder."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> int:
    """Run the demo and return its exit code."""
    from doctor.demo import PARTS, demo

    parts = [part for part in PARTS if part in (options.part or PARTS)]
    return demo(parts, options.wheel, options.model_wheel, options.output)
