"""The answer of `apply_chat_template` is ids in transformers 4 and a dictionary in 5.

`return_dict` became True in 5.0: `inputs.shape` and `model.generate(inputs)` stop with an AttributeError.  Where the
script uses the answer as ids it says `return_dict=False`, where as a dictionary, `return_dict=True`; every release
takes both.  An answer whose use is not seen stays a finding.

Reference: https://github.com/huggingface/transformers/issues/41626
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.chat_calls import chat_uses
from doctor.parsing import walked
from doctor.patch import Example, File, Patch

CALL = "ids = tokenizer.apply_chat_template(messages, return_tensors='pt'"


class ChatTemplateReturnsDict(Patch):
    old, new = "transformers<5", "transformers>=4.40"
    family = "script"
    needles = (b"apply_chat_template(",)
    mends = ("chat-template-returns-dict",)
    examples = [
        Example(
            f"{CALL})\nmodel.generate(ids, max_new_tokens=4)",
            f"{CALL}, return_dict=False)\nmodel.generate(ids, max_new_tokens=4)",
        ),
        Example(f"{CALL}).to(device)\nprint(ids.shape)", f"{CALL}, return_dict=False).to(device)\nprint(ids.shape)"),
        Example(
            "def f(row):\n    return {'labels': tok.apply_chat_template(\n        row['messages'],\n    )}",
            "def f(row):\n    return {'labels': tok.apply_chat_template(\n        row['messages'],\n"
            "        return_dict=False,\n    )}",
        ),
        Example(f"{CALL})\nmodel.generate(**ids)", f"{CALL}, return_dict=True)\nmodel.generate(**ids)"),
        Example("text = tokenizer.apply_chat_template(messages, tokenize=False)\nprint(text[0])", keeps="a text"),
        Example(f"{CALL})\nstore(ids)", keeps="the use of the answer is not seen"),
    ]
    proof = """
from scenery import words

tokenizer = words()
tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
ids = tokenizer.apply_chat_template([{"role": "user", "content": "a b"}])
assert ids[:2] == [2, 3]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.uses = {text: use for text, (_, use) in chat_uses(walked(file.text)).items() if use != "unknown"}

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        func = updated_node.func
        if not self.uses or not isinstance(func, cst.Attribute) or func.attr.value != "apply_chat_template":
            return updated_node
        text = ast.unparse(ast.parse(cst.Module([]).code_for_node(original_node), mode="eval"))
        use = self.uses.get(text)
        if use is None or not updated_node.args:
            return updated_node
        last = updated_node.args[-1]
        value = cst.Name("True" if use == "mapping" else "False")
        equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
        added = cst.Arg(value, cst.Name("return_dict"), equal, whitespace_after_arg=last.whitespace_after_arg)
        between: cst.Comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        if isinstance(last.comma, cst.Comma):  # a trailing comma: one argument a line
            between, added = _like(updated_node, last.comma), added.with_changes(comma=last.comma)
        args = [
            *updated_node.args[:-1],
            last.with_changes(comma=between, whitespace_after_arg=cst.SimpleWhitespace("")),
            added,
        ]
        return updated_node.with_changes(args=args)


def _like(call: cst.Call, last: cst.Comma) -> cst.Comma:
    """The comma between two arguments of a call whose last one has a comma too."""
    if len(call.args) > 1 and isinstance(call.args[0].comma, cst.Comma):
        return call.args[0].comma
    return last.with_changes(whitespace_after=call.whitespace_before_args)
