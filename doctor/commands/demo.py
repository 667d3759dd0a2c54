"""`doctor demo`: the real fault, planted, found, mended and taken back."""

from __future__ import annotations

import argparse


def run(_: argparse.Namespace) -> int:
    """Run the demo and return its exit code."""
    from doctor import demo

    return demo.demo()
