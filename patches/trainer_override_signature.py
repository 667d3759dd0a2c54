"""A subclass of Trainer overrides a method with fewer arguments than newer releases hand over.

`compute_loss` and `training_step` get `num_items_in_batch` since transformers 4.46, `log` a start time since 4.47,
`get_batch_samples` a device since 4.50, `_get_train_sampler` the data set since 4.52.  The method takes what else
comes, and hands it on to `super()`.

A `compute_loss` of before answers the mean of its batch.  Newer releases count on a sum over all batches of an update,
divided by `num_items_in_batch`, and do not divide it again: with `gradient_accumulation_steps=4` the loss and the
gradients would be four times too large, without an error.  So the method is called as before, and its answer divided
where the release does not.

Reference: https://github.com/huggingface/transformers/pull/34191
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.argument_patch import ScriptPatch
from doctor.patch import Example, File
from doctor.trainer_hooks import HOOKS, overrides
from doctor.traversal import find

HEAD = "from transformers import Trainer\nclass Mine(Trainer):\n"
OVER = m.Attribute(m.Call(m.Name("super")), m.Name())


class TrainerOverrideSignature(ScriptPatch):
    old, new = "transformers<4.46", "transformers>=4.36"
    needles = tuple(f"def {name}(".encode() for name in HOOKS)
    mends = ("trainer-override-signature",)
    examples = [
        Example(
            f"{HEAD}    def compute_loss(self, model, inputs, return_outputs=False):\n"
            "        return super().compute_loss(model, inputs, return_outputs)",
            f"{HEAD}    @_doctor_mean_loss\n    def compute_loss(self, model, inputs, return_outputs=False):\n"
            "        return super().compute_loss(model, inputs, return_outputs)",
        ),
        Example(
            f"{HEAD}    def training_step(self, model, inputs):\n        args = self.args\n"
            "        return super().training_step(model, inputs)",
            f"{HEAD}    def training_step(self, model, inputs, *more_args, **more_kwargs):\n        args = self.args\n"
            "        return super().training_step(model, inputs, *more_args, **more_kwargs)",
        ),
        Example(
            f"{HEAD}    def _get_train_sampler(self):\n        return SequentialSampler(self.train_dataset)",
            f"{HEAD}    def _get_train_sampler(self, *args, **kwargs):\n"
            "        return SequentialSampler(self.train_dataset)",
        ),
        Example(
            f"{HEAD}    def compute_loss(self, model, inputs, **kwargs):\n        pass", keeps="it takes what comes"
        ),
        Example("class Mine(Base):\n    def training_step(self, batch):\n        pass", keeps="somebody else's class"),
    ]
    proof = """
import torch
from scenery import Tiny, TinyConfig
from transformers import Trainer, TrainingArguments

class M(Tiny):
    def forward(self, input_ids, labels=None, **kwargs):
        return {"loss": self.bias.square().sum(), "logits": self.answer(input_ids).logits}

class Mine(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False):
        return super().compute_loss(model, inputs, return_outputs)

    def training_step(self, model, inputs):
        return super().training_step(model, inputs)

    def log(self, logs):
        super().log(logs)

    def _get_train_sampler(self):
        return torch.utils.data.SequentialSampler(self.train_dataset)

rows = [{"input_ids": torch.tensor([3, 3]), "labels": torch.tensor([3, 3])} for _ in range(4)]
args = dict(use_cpu=True, max_steps=2, logging_steps=1, report_to="none", save_strategy="no", max_grad_norm=0)
args |= dict(gradient_accumulation_steps=2, per_device_train_batch_size=1, optim="sgd", lr_scheduler_type="constant")
trainer = Mine(model := M(TinyConfig()), TrainingArguments("out", learning_rate=0.1, **args), train_dataset=rows)
model.bias.data.fill_(1.0)
assert trainer.train().global_step == 2
# transformers 5.2 to 5.4 divide every accumulated gradient once more.
step = 0.2 / trainer.accelerator.gradient_accumulation_steps
assert torch.allclose(model.bias, torch.full_like(model.bias, (1 - step) ** 2))
assert abs(trainer.evaluate(rows)["eval_loss"] - model.bias.square().sum().item()) < 1e-4
"""
    helpers = {
        "_doctor_mean_loss": """
def _doctor_mean_loss(compute_loss):
    \"\"\"Divides what is the mean of a batch, where transformers counts on a part of the mean over several.\"\"\"

    def divided(self, model, *args, num_items_in_batch=None, **kwargs):
        answer = compute_loss(self, model, *args, **kwargs)
        if num_items_in_batch is None or not model.training:
            return answer
        batches = getattr(self, "current_gradient_accumulation_steps", self.args.gradient_accumulation_steps)
        return (answer[0] / batches, *answer[1:]) if isinstance(answer, tuple) else answer / batches

    return divided
"""
    }

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.found = {(o.owner, o.method): o for o in overrides(self.script)}

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        name = updated_node.name.value
        override = self.found.get((self.scope[-1] if self.scope else "", name))
        if override is None:
            return updated_node
        if override.method == "compute_loss":
            decorator = cst.Decorator(self.helper("_doctor_mean_loss"))
            return updated_node.with_changes(decorators=[decorator])
        taken = {node.value for node in find(updated_node, m.Name()) if isinstance(node, cst.Name)}
        prefix = "more_" if taken & {"args", "kwargs"} else ""
        params, stars = updated_node.params, f"**{prefix}kwargs"
        changes: dict[str, cst.Param] = {}
        if override.positional:
            changes["star_arg"] = cst.Param(cst.Name(f"{prefix}args"), star="*")
            stars = f"*{prefix}args, {stars}"
        if params.star_kwarg is None:
            changes["star_kwarg"] = cst.Param(cst.Name(f"{prefix}kwargs"), star="**")
        else:
            stars = stars.replace(f"**{prefix}kwargs", f"**{params.star_kwarg.name.value}")
        named = list(params.params)
        if named and changes and isinstance(named[-1].comma, cst.Comma) and not params.kwonly_params:
            # A trailing comma: one parameter a line, the new ones too.
            closing = named[-1].comma
            between = named[0].comma if len(named) > 1 else closing
            named[-1] = named[-1].with_changes(comma=between)
            for kind, comma in zip(changes, (*([between] * (len(changes) - 1)), closing), strict=True):
                changes[kind] = changes[kind].with_changes(comma=comma)
        handed = cst.ensure_type(cst.parse_expression(f"f({stars})"), cst.Call).args
        body = updated_node.body.visit(_HandOn(name, handed))
        return updated_node.with_changes(params=params.with_changes(params=named, **changes), body=body)


class _HandOn(cst.CSTTransformer):
    """Adds arguments to the calls of `super().method`."""

    def __init__(self, name: str, handed: object) -> None:
        super().__init__()
        self.name, self.handed = name, handed

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not m.matches(updated_node.func, OVER) or not m.matches(
            updated_node.func, m.Attribute(attr=m.Name(self.name))
        ):
            return updated_node
        args = list(updated_node.args)
        if args:
            last = args[-1]
            comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
            end = last.comma if isinstance(last.comma, cst.Comma) else cst.MaybeSentinel.DEFAULT
            args[-1] = last.with_changes(comma=comma, whitespace_after_arg=cst.SimpleWhitespace(""))
            handed = [*self.handed]  # type: ignore[misc]
            handed[-1] = handed[-1].with_changes(comma=end, whitespace_after_arg=last.whitespace_after_arg)
            return updated_node.with_changes(args=[*args, *handed])
        return updated_node.with_changes(args=[*self.handed])  # type: ignore[misc]
