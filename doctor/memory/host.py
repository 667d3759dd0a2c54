"""Host memory of the process.

On the CPU: what the interpreter and the libraries take, measured, and everything that would be on the GPU.  The
weights of a file that is already of the wanted dtype are mapped: they count from the first time they are read, not
from the load.  With a GPU: what the libraries and what is kept off the card take; CUDA's own share is not known.
"""

from __future__ import annotations

from packaging.version import Version

from doctor.memory.run import Run

MB = 1_000_000
PROCESS, PROCESS_5 = 315 * MB, 350 * MB
"""Resident bytes of Python with torch (the CPU build) and one transformers model class, 4.x and 5.x."""
LOADED = 30 * MB
"""What a load and a first forward pass import and allocate for themselves."""
TRAINER = 60 * MB
"""What peft and accelerate import."""


def process(release: Version) -> int:
    """Bytes before there is any model."""
    return PROCESS_5 if release.major >= 5 else PROCESS


def load(release: Version) -> int:
    """The peak of the load."""
    return process(release) + LOADED


def generate(run: Run, release: Version, peak: int) -> int:
    """The peak of generation; `peak` is what the model takes with its cache and activations."""
    return load(release) + (peak if run.device == "cpu" else 0)


def train(run: Run, release: Version, peak: int, off_card: int) -> int:
    """The peak of a training step; `off_card` is what is kept in host memory while the model is on a GPU."""
    return load(release) + TRAINER + (peak if run.device == "cpu" else off_card)
