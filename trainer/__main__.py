"""`python -m doctor.trainer CONFIG [key=value ...]`: one run without the doctor's preflight.

Also `accelerate launch -m doctor.trainer CONFIG` and `torchrun --nproc-per-node N -m doctor.trainer CONFIG`.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from doctor.complaint import complain
from doctor.settings import UsageError
from doctor.trainer import require

FLAGS = ("--resume", "--fresh")
USAGE = "python -m doctor.trainer CONFIG.yaml [key=value ...] [--resume] [--fresh]"


def main(words: list[str]) -> int:
    """Train, and say where the run is."""
    try:
        given = [word for word in words if word not in FLAGS]
        if not given or any(word.startswith("-") for word in given):
            raise UsageError(f"write: {USAGE}")
        require()
        from doctor.trainer.config import read_config
        from doctor.trainer.train import train

        config = read_config(Path(given[0]), given[1:])
        command = shlex.join(["python", "-m", "doctor.trainer", *words])
        train(config, "--resume" in words, "--fresh" in words, command)
    except UsageError as error:
        complain(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
