"""`doctor demo`: the real fault, planted, found, mended and taken back."""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> int:
    """Run the demo and return its exit code."""
    from doctor.demo import demo

    return demo(options.wheel)
