"""`doctor run -- CMD...`: a command with the patches applied while its modules are imported."""

from __future__ import annotations

import argparse

from doctor.diagnose import diagnose
from doctor.settings import UsageError


def run(options: argparse.Namespace) -> int:
    """Run the command, with the variables that mend this environment set, and return its exit code."""
    from doctor import live
    from doctor.scan import Request, nothing, scan

    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise UsageError("run: no command; write e.g. doctor run -- python train.py")
    facts = scan(Request(wanted=nothing))  # variables follow from the environment: no file's text is wanted
    remedies = [finding.remedy for finding in diagnose(facts).findings]
    settings = [r.value.removeprefix("export ") for r in remedies if r.kind == "variable" and r.safe and r.value]
    return live.run(words, dict(setting.split("=", 1) for setting in settings if "=" in setting))
