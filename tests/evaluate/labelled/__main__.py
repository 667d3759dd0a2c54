"""Prints every scorer's precision and recall on the labelled answers: `python tests/evaluate/labelled`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from doctor.evaluate.scorers import DEFAULT  # noqa: E402
from labelled import PARTS, labelled, verdict  # noqa: E402

WANTED = 0.95


def main() -> int:
    """Print the table and what was missed; 1 where a figure is below 0.95."""
    below = False
    for part in sys.argv[1:] or PARTS:
        answers = list(labelled(part))
        near = sum(bool(one.near) for one in answers)
        print(f"{part}: {len(answers)} answers, {sum(not one.faults for one in answers)} good, {near} near misses")  # noqa: T201
        for name in DEFAULT:
            one = verdict(name, part)
            below |= min(one.precision, one.recall) < WANTED
            print(f"  {name:11} precision {one.precision:.3f}  recall {one.recall:.3f}  ({one.found} faults found)")  # noqa: T201
            for kind, lines in (("missed", one.missed), ("false", one.false)):
                for line in lines:
                    print(f"    {kind}: {line}")  # noqa: T201
    return int(below)


if __name__ == "__main__":
    sys.exit(main())
