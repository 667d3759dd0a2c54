"""`python -m doctor`: the same as the `doctor` command."""

import os
import sys

# `python -m` puts the working directory first on sys.path, where a user's own `evaluate/` or `datasets.py`
# would mislead the doctor.
if sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 (pathlib costs a tenth of a start)
    sys.path.pop(0)

from doctor.cli import main

if __name__ == "__main__":
    sys.exit(main())
