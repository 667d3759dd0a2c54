"""`doctor explain ID`: the page of one check, patch or breakage."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from doctor import index
from doctor.commands.terminal import stdout
from doctor.diagnose import CRASHED, checks
from doctor.settings import UsageError, nearest

EXAMPLES = 3
"""How many rewrites a patch's page shows."""

CRASHED_PAGE = f"""# A check crashed

`{CRASHED}`, error

Why it matters: one check met something it was not written for.  All the others ran; what this one looks for was not
looked for.

What to do: report it, with the file that `doctor check --save-facts facts.json` writes: the crash can be repeated
from that.
"""


def run(options: argparse.Namespace) -> int:
    """Print the page, set as Markdown on a terminal and verbatim elsewhere."""
    text = page(options.id)
    console = stdout()
    if console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(text, hyperlinks=False), width=min(console.width, 100))
    else:
        console.file.write(text)
    return 0


def page(name: str) -> str:
    """The Markdown page of an id; raises UsageError, with the nearest id, where there is none."""
    if name == CRASHED:
        return CRASHED_PAGE
    parts = [*_check_pages(name), *_patch_pages(name)]
    if not parts:
        known = [*(check.id for check in checks()), *(entry.id for entry in index.entries())]
        hint = nearest(name, known) or "; see `doctor list`"
        raise UsageError(f"there is no check, patch or breakage {name!r}{hint}")
    return "\n\n".join(parts) + "\n"


def _check_pages(name: str) -> Iterator[str]:
    for check in checks():
        if check.id == name:
            _, _, body = check.doc.strip().partition("\n")
            yield f"# {check.title}\n\n`{check.id}`, {check.severity.value}, {check.family}\n\n{body.strip()}"
            if mender := index.mender(check.id):
                yield f"Mended by `doctor fix` with the patch `{mender}`."


def _patch_pages(name: str) -> Iterator[str]:
    for entry in index.entries():
        if entry.id == name:
            _, _, body = entry.doc.strip().partition("\n")
            safe = "safe" if entry.safe else f"unsafe: applied with `--unsafe {entry.id}`"
            yield f"# {entry.title}\n\n`{entry.id}`, patch, {safe}; old spelling: {entry.old}, new: {entry.new}"
            yield body.strip()
            yield from _examples(name)


def _examples(name: str) -> Iterator[str]:
    from doctor.patch import catalogue

    rewritten = [example for patch in catalogue() if patch.id() == name for example in patch.examples if example.after]
    for example in rewritten[:EXAMPLES]:
        yield f"Before:\n\n```python\n{example.before.strip()}\n```"
        yield f"After:\n\n```python\n{(example.after or '').strip()}\n```"
