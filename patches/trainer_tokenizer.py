"""Trainer(tokenizer=...) became Trainer(processing_class=...), and `trainer.tokenizer` followed.

transformers 4.46 added `processing_class`, 5.0 removed the old name: `TypeError: Trainer.__init__() got an unexpected
keyword argument 'tokenizer'`; the trainers of trl renamed it in 0.12 to 0.16.  `super().__init__(tokenizer=...)` of a
subclass, `self.tokenizer` in it, and what callbacks are handed since 4.46 are renamed as well.

Reference: https://github.com/huggingface/transformers/pull/32385
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.argument_patch import TRAINER, ArgumentPatch, dotted
from doctor.given import Given
from doctor.patch import Example
from doctor.script import Callee

OLD, NEW = "tokenizer", "processing_class"
IMPORT = "from transformers import Trainer, TrainerCallback\n"


class TrainerTokenizer(ArgumentPatch):
    old, new = "transformers<5", "transformers>=4.46"
    needles = (b"tokenizer",)
    mends = (f"argument:transformers.Trainer.{OLD}", f"argument:trl.SFTTrainer.{OLD}", f"setting:{OLD}")
    of = TRAINER
    examples = [
        Example(
            f"{IMPORT}t = Trainer(model=model, args=args, tokenizer=tok)\nt.tokenizer.save_pretrained('out')",
            f"{IMPORT}t = Trainer(model=model, args=args, processing_class=tok)\n"
            "t.processing_class.save_pretrained('out')",
        ),
        Example(
            f"{IMPORT}class Mine(Trainer):\n    def __init__(self, model, tokenizer, **rest):\n"
            "        super().__init__(model=model, tokenizer=tokenizer, **rest)\n    def pad(self):\n"
            "        return self.tokenizer.pad_token_id\nt = Mine(model, tokenizer=tok)",
            f"{IMPORT}class Mine(Trainer):\n    def __init__(self, model, tokenizer, **rest):\n"
            "        super().__init__(model=model, processing_class=tokenizer, **rest)\n    def pad(self):\n"
            "        return self.processing_class.pad_token_id\nt = Mine(model, tokenizer=tok)",
        ),
        Example(
            f"{IMPORT}class Note(TrainerCallback):\n    def on_save(self, args, state, control, **kwargs):\n"
            "        kwargs['tokenizer'].save_pretrained(args.output_dir)",
            f"{IMPORT}class Note(TrainerCallback):\n    def on_save(self, args, state, control, **kwargs):\n"
            "        kwargs['processing_class'].save_pretrained(args.output_dir)",
        ),
        Example(
            f"{IMPORT}class Note(TrainerCallback):\n    def on_log(self, args, state, control, tokenizer=None, **kw):\n"
            "        print(tokenizer.name_or_path)",
            f"{IMPORT}class Note(TrainerCallback):\n    def on_log(self, args, state, control, processing_class=None, "
            "**kw):\n        print(processing_class.name_or_path)",
        ),
        Example(f"{IMPORT}t = Trainer(model=model, processing_class=tokenizer)", keeps="the new name"),
        Example("from mine import Trainer\nt = Trainer(tokenizer=t)\nt.tokenizer", keeps="somebody else's class"),
        Example(
            f"{IMPORT}class Mine(Trainer):\n    def __init__(self, tok, **rest):\n        super().__init__(**rest)\n"
            "        self.tokenizer = tok",
            keeps="the subclass has a tokenizer of its own",
        ),
    ]
    proof = """
from transformers import Trainer
from scenery import Tiny, TinyConfig

trainer = Trainer(Tiny(TinyConfig()), tokenizer=(tokenizer := object()))
assert trainer.tokenizer is tokenizer
"""

    def serves(self, callee: Callee | None) -> bool:
        return super().serves(callee) and callee is not None and callee.name != "trl.PPOTrainer"

    def amend(self, given: Given) -> None:
        given.rename(OLD, NEW)

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        if updated_node.attr.value != OLD:
            return updated_node
        text = dotted(original_node.value)
        kind = self.script.kind(text, self.scope) if text else None
        if text == "self":
            kind = None if self._has_own() else self.script.super_class(self.scope)
        return updated_node.with_changes(attr=cst.Name(NEW)) if self.serves(kind) else updated_node

    def _has_own(self) -> bool:
        """Whether the class around sets a tokenizer, or defines one."""
        return self.script.sets_own(self.scope, OLD)

    def _in_callback(self) -> bool:
        callee = self.script.super_class(self.scope)
        return callee is not None and callee.name == "transformers.TrainerCallback"

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> cst.Subscript:
        asked = m.Subscript(m.Name("kwargs"), [m.SubscriptElement(m.Index(m.SimpleString()))])
        if m.matches(updated_node, asked) and self._in_callback():
            index = cst.ensure_type(updated_node.slice[0].slice, cst.Index)
            text = _renamed(cst.ensure_type(index.value, cst.SimpleString))
            if text is not None:
                return updated_node.with_deep_changes(index, value=text)
        return updated_node

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        taken = m.Call(m.Attribute(m.Name("kwargs"), m.OneOf(m.Name("get"), m.Name("pop"))), [m.AtLeastN(n=1)])
        if m.matches(updated_node, taken) and self._in_callback():
            first = updated_node.args[0]
            text = _renamed(first.value) if isinstance(first.value, cst.SimpleString) else None
            if text is not None:
                return updated_node.with_changes(args=[first.with_changes(value=text), *updated_node.args[1:]])
        return super().leave_Call(original_node, updated_node)

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        parameters = (*updated_node.params.params, *updated_node.params.kwonly_params)
        if not updated_node.name.value.startswith("on_") or not any(p.name.value == OLD for p in parameters):
            return updated_node
        if not self._in_callback() or any(p.name.value == NEW for p in parameters):
            return updated_node
        return cst.ensure_type(updated_node.visit(_Names()), cst.FunctionDef)


class _Names(cst.CSTTransformer):
    """Renames a variable, not the attributes and keywords of that name."""

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        return updated_node.with_changes(attr=original_node.attr)

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:
        return updated_node.with_changes(keyword=original_node.keyword)

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        return updated_node.with_changes(value=NEW) if updated_node.value == OLD else updated_node


def _renamed(text: cst.SimpleString) -> cst.SimpleString | None:
    value = ast.literal_eval(text.value)
    return cst.SimpleString(f"{text.quote}{NEW}{text.quote}") if value == OLD else None
