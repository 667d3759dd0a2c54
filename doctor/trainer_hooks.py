"""The methods of Trainer that scripts override and that newer releases call with more arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from doctor.releases import Minor
from doctor.script import Script


class Hook(NamedTuple):
    """How many positional arguments a method gets beside `self`, which keyword, and since which release."""

    since: Minor
    positional: int
    keyword: str
    works: bool = False
    """Whether an override that takes less is called on some releases and not on others, as `create_optimizer`."""


HOOKS = {
    "compute_loss": Hook((4, 46), 2, "num_items_in_batch"),
    "training_step": Hook((4, 46), 3, "num_items_in_batch"),
    "log": Hook((4, 47), 2, "start_time"),
    "get_batch_samples": Hook((4, 50), 3, "device"),
    "_get_train_sampler": Hook((4, 52), 1, "train_dataset"),
    "create_optimizer": Hook((5, 3), 1, "model", works=True),
    "_maybe_log_save_evaluate": Hook((4, 51), 8, "learning_rate"),
}
"""Read in the published wheels, 4.36 to 5.23."""


class Override(NamedTuple):
    """A method of the script that takes less than it gets."""

    method: str
    hook: Hook
    node: ast.FunctionDef
    owner: str
    positional: bool
    """Whether the missing argument comes by position."""


def overrides(script: Script) -> Iterator[Override]:
    """Every method of a subclass of Trainer that does not take what the newest release hands it."""
    for owner, defined in script.classes.items():
        callee = next((b for base in defined.bases if (b := script.base(base))), None)
        if callee is None or not callee.name.endswith("Trainer"):
            continue
        for node in defined.body:
            hook = HOOKS.get(node.name) if isinstance(node, ast.FunctionDef) else None
            if hook and isinstance(node, ast.FunctionDef) and not node.decorator_list and (lacks := _lacks(node, hook)):
                yield Override(node.name, hook, node, owner, lacks == "position")


def _lacks(node: ast.FunctionDef, hook: Hook) -> str:
    """By what the missing argument comes, empty where the method takes it."""
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)][1:]
    if node.name == "compute_loss":
        named = hook.keyword in (*names, *(a.arg for a in node.args.kwonlyargs))
        return "" if named or node.args.kwarg else "keyword"
    return "" if node.args.vararg or len(names) >= hook.positional else "position"
