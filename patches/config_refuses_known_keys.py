"""A configuration refuses keyword arguments that it does not know, among them the library's own.

What config.json holds comes back as keyword arguments, and each release writes keys of its own there:
`ValueError: Found unknown kwargs={'dtype': 'float32'}` when a saved model is loaded again (DBRX's nested
configurations).  Keys that every configuration of the installed release has are left out before the question is asked.

Reference: https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/configuration_utils.py
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch

HELPER = "_doctor_unknown"
OURS = m.SimpleStatementLine(body=[m.Assign(value=m.Call(func=m.Name(HELPER)))])
HEAD = """class C(PretrainedConfig):
    def __init__(self, size=1, **kwargs):
        super().__init__(**kwargs)
        self.size = size
"""
ASKS = "        if {}:\n            raise ValueError(f'unknown {{kwargs=}}')\n"


class ConfigRefusesKnownKeys(Patch):
    old, new = "transformers<4.56", "transformers>=4.36"
    needles = (b"raise ",)
    helpers = {
        HELPER: '''
def _doctor_unknown(kwargs):
    """The keyword arguments that are no key of every configuration of the installed release."""
    from transformers import PretrainedConfig

    known = {*PretrainedConfig().to_dict(), *vars(PretrainedConfig()), "torch_dtype", "dtype", "_name_or_path"}
    return {name: value for name, value in kwargs.items() if name not in known}
'''
    }
    examples = [
        Example(
            HEAD + ASKS.format("len(kwargs) != 0"),
            HEAD + "        kwargs = _doctor_unknown(kwargs)\n" + ASKS.format("len(kwargs) != 0"),
        ),
        Example(
            HEAD.replace("kwargs", "rest") + ASKS.format("rest"),
            HEAD.replace("kwargs", "rest") + "        rest = _doctor_unknown(rest)\n" + ASKS.format("rest"),
        ),
        Example(HEAD + ASKS.format("size < 0"), keeps="a question about something else"),
        Example(HEAD + ASKS.format('"size" in kwargs'), keeps="a question about one key"),
        Example(
            HEAD.replace("PretrainedConfig", "Base") + ASKS.format("kwargs"),
            keeps="not a configuration, as far as told",
        ),
    ]

    proof = """
import json
from transformers import PretrainedConfig

class Inner(PretrainedConfig):
    model_type = "inner-proof"

    def __init__(self, size=1, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        for name in ("model_type", "transformers_version"):
            kwargs.pop(name, None)
        if len(kwargs) != 0:
            raise ValueError(f"unknown {kwargs=}")

class Outer(PretrainedConfig):
    model_type = "outer-proof"

    def __init__(self, inner=None, **kwargs):
        self.inner = Inner(**(inner or {})) if not isinstance(inner, Inner) else inner
        super().__init__(**kwargs)

made = Outer()
made.inner._attn_implementation_internal = None
if hasattr(made.inner, "dtype"):
    made.inner.dtype = "float32"
again = Outer.from_dict(json.loads(made.to_json_string()))
assert again.inner.size == 1
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        classes = Classes(file.text)
        self.configs = {name for name in classes.nodes if _is_config(classes, name)}

    def reaches(self, name: str, text: str) -> bool:
        owner, _, method = name.partition(".")
        return owner in self.configs and (not method or (method == "__init__" and "raise " in text))

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        body, rest = updated_node.body, updated_node.params.star_kwarg
        if updated_node.name.value != "__init__" or rest is None or not isinstance(body, cst.IndentedBlock):
            return updated_node
        if len(self.file.scope) != 1 or not self.file.classes or self.file.classes[0].name.value not in self.configs:
            return updated_node
        statements: list[cst.BaseStatement] = []
        for statement in body.body:
            known = bool(statements) and m.matches(statements[-1], OURS)
            if isinstance(statement, cst.If) and _refuses(statement, rest.name.value) and not known:
                call = cst.Call(self.helper(HELPER), [cst.Arg(rest.name)])
                kept = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(rest.name)], call)])
                statements.append(kept.with_changes(leading_lines=statement.leading_lines))
                statement = statement.with_changes(leading_lines=[])
            statements.append(statement)
        return (
            updated_node.with_deep_changes(body, body=statements) if len(statements) > len(body.body) else updated_node
        )


def _is_config(classes: Classes, name: str) -> bool:
    return any(base.endswith("Config") for owner in classes.lineage(name) for base in classes.bases(owner))


def _refuses(node: cst.If, rest: str) -> bool:
    """`if kwargs: raise ...`, `if len(kwargs) != 0: raise ...`."""
    asked = node.test.left if isinstance(node.test, cst.Comparison) else node.test
    counted = m.Call(func=m.Name("len"), args=[m.Arg(value=m.Name(rest))])
    whole = m.matches(asked, m.Name(rest)) or m.matches(asked, counted)
    raises = any(m.matches(line, m.SimpleStatementLine(body=[m.Raise()])) for line in node.body.body)
    one_key = m.matches(node.test, m.Comparison(comparisons=[m.ComparisonTarget(operator=m.OneOf(m.In(), m.NotIn()))]))
    return whole and raises and not one_key
