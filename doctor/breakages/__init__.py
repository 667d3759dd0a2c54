"""One TOML file, one combination of versions known to be bad."""

from doctor.model import Check


def load() -> tuple[Check, ...]:
    """Every breakage, as a check."""
    return ()
