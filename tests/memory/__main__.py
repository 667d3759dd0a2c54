"""`nox -s memory`: every measured peak beside its prediction, in one table.  Exits 1 where one is out of its bound."""

from __future__ import annotations

import statistics
import sys

from measured import ROWS
from rich.console import Console
from rich.table import Table

GIB = 1 << 30


def main() -> int:
    """Print the table."""
    table = Table("peak of", "measured", "predicted", "error", "bound", "", box=None, pad_edge=False)
    for row in ROWS:
        within = abs(row.error) <= row.bound
        figures = (
            f"{row.measured / GIB:.3f} GiB",
            f"{row.figure / GIB:.3f} GiB",
            f"{row.error:+.1%}",
            f"{row.bound:.0%}",
        )
        table.add_row(row.what, *figures, "holds" if within else "CROSSED")
    console = Console(width=120, highlight=False)
    console.print(table)
    errors = [abs(row.error) for row in ROWS if not row.host]
    console.print(f"\n{len(errors)} peaks on the GPU: median {statistics.median(errors):.1%}, worst {max(errors):.1%}")
    return int(any(abs(row.error) > row.bound for row in ROWS))


if __name__ == "__main__":
    sys.exit(main())
