"""How runs are launched: accelerate's YAML configurations, and the variables that shell scripts set."""

from __future__ import annotations

import re
import shlex

from doctor.model import Export, Launch
from doctor.scan.files import Unreadable, decode, read_bytes
from doctor.scan.variables import read

LIMIT = 1 << 20
"""Bytes; a longer file is no configuration and no script that people write."""
CONFIGURATIONS = (".yaml", ".yml")
SHELLS = (".sh", ".bash", ".zsh", ".env")
_EXPORT = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(\S.*)$")


def read_launch(path: str) -> Launch | None:
    """The configuration in a YAML file, None where it is not one of accelerate's; raises Unreadable."""
    data = read_bytes(path, LIMIT)
    if b"distributed_type" not in data and b"num_machines" not in data:
        return None
    import yaml

    try:
        table = yaml.safe_load(data)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unreadable(f"is no YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(table, dict) or not {"distributed_type", "num_machines"} & table.keys():
        return None
    plain = {
        str(key): value for key, value in table.items() if value is None or isinstance(value, bool | int | float | str)
    }
    return Launch(path, plain)


def read_exports(path: str) -> tuple[Export, ...]:
    """What a shell script sets of the variables that the stack reads; secrets are not kept."""
    found = []
    for number, line in enumerate(decode(read_bytes(path, LIMIT)).splitlines(), 1):
        if match := _EXPORT.match(line):
            shown = read({match[1]: _value(match[2])})
            found += [Export(path, number, name, value) for name, value in shown.items()]
    return tuple(found)


def _value(text: str) -> str:
    try:
        words = shlex.split(text, comments=True)
    except ValueError:  # a quote that ends on a later line
        return text
    return words[0] if words else ""
