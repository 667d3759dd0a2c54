"""Supervised fine-tuning on transformers.Trainer and peft: one configuration, equal on every release of the matrix.

Nothing here imports torch; the modules inside do.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec

from doctor.settings import UsageError

NEEDED = ("pydantic", "torch", "transformers", "peft", "accelerate", "tokenizers", "jinja2")
"""What every run imports, of the extra `train`."""


# It warns of its own kernels as it is imported, which peft does also where nothing is quantised.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def require(*names: str, what: str = "training") -> None:
    """Raise UsageError, with the command that installs it, where a distribution that a run imports is not there."""
    missing = [name for name in names or NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"{what} needs {', '.join(missing)}: run `pip install 'tune-doctor[train]'`")
