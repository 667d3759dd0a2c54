"""A subclass of Trainer overrides a method with fewer arguments than the release hands over.

Why it matters: `TypeError: compute_loss() got an unexpected keyword argument 'num_items_in_batch'` at the first step
(4.46), and likewise for `training_step`, `log`, `get_batch_samples` and `_get_train_sampler` later on.

What to do: `doctor fix` lets the method take what else comes and hand it on.  A loss that is computed in the method is
not divided by the accumulation steps on every release: set `loss_is_scaled_for_ga = False` in the class (5.x) and
compare the first losses where `gradient_accumulation_steps` is above 1.

Reference: https://github.com/huggingface/transformers/pull/34191
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Package, Remedy, Severity, Source, source_check
from doctor.releases import MATRIX, minor
from doctor.script import script_of
from doctor.trainer_hooks import HOOKS, Override, overrides


def _facts(text: str, version: str = "5.23.0") -> Facts:
    text = "from transformers import Trainer\nclass Mine(Trainer):\n" + text
    return Facts(
        sources=(Source("train.py", "script", text),), packages={"transformers": Package("transformers", version)}
    )


@source_check(
    "script",
    Severity.ERROR,
    needles=[f"def {name}(".encode() for name in HOOKS],
    kinds=("script", "notebook"),
    passes=[
        _facts("    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None): pass"),
        _facts("    def compute_loss(self, model, inputs, return_outputs=False, **kwargs): pass"),
        _facts("    def _get_train_sampler(self, *args): pass"),
        Facts(sources=(Source("train.py", "script", "class Mine:\n    def compute_loss(self, model): pass"),)),
    ],
    fails=[
        _facts("    def compute_loss(self, model, inputs, return_outputs=False): pass"),
        _facts("    def training_step(self, model, inputs): pass", "4.47.1"),
        _facts("    def _get_train_sampler(self): pass", "4.47.1"),
        _facts("    def log(self, logs): pass"),
    ],
)
def trainer_override_signature(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find overrides that the judged release, or a later one, calls with more than they take."""
    release = facts.transformers
    for override in overrides(script_of(code.tree)):
        calls = minor(release) >= override.hook.since
        if override.hook.works or (not calls and not any(other >= override.hook.since for other in MATRIX)):
            continue
        since = ".".join(map(str, override.hook.since))
        who = f"transformers {release}" if calls else f"transformers from {since} on"
        yield Finding(
            f"{override.owner}.{override.method} does not take {override.hook.keyword}, which {who} hands over",
            Remedy("advice", f"add `{_added(override)}` to its arguments and hand them on to `super()`"),
            code.location(override.node),
            severity=Severity.ERROR if calls else Severity.WARNING,
        )


def _added(override: Override) -> str:
    return "*args, **kwargs" if override.positional else "**kwargs"
