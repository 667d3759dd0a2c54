"""A module adds to the `position_ids` that it is handed, in place.

`position_ids += self.offset`, as XGLM writes it, changes the caller's tensor.  Up to transformers 5.1 `generate` made
new positions for each token; since 5.2 it counts on from those that it handed over, so that every token is as many
places further as is added here: other answers, without an error.  What is handed in is left as it is.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

NAMES = m.Name("position_ids") | m.Name("positions")
SIGNS = {cst.AddAssign: cst.Add, cst.SubtractAssign: cst.Subtract}
PLAIN = (cst.Name, cst.Attribute, cst.Call, cst.Integer, cst.Subscript)
"""What needs no brackets behind a sign."""
EMBED = "def forward(self, position_ids, past=0):\n    position_ids{}\n    return self.weights[position_ids]\n"


class PositionsChangedInPlace(Patch):
    old, new = "transformers<5.2", "transformers>=4.36"
    needles = (b"position_ids +=", b"position_ids -=", b"positions +=", b"positions -=")
    examples = [
        Example(EMBED.format(" += self.offset"), EMBED.format(" = position_ids + self.offset")),
        Example(EMBED.format(" -= 1 if past else 2"), EMBED.format(" = position_ids - (1 if past else 2)")),
        Example(EMBED.format(" *= 2"), keeps="no shift"),
        Example(
            "def forward(self, ids):\n    position_ids = count(ids)\n    position_ids += 2\n", keeps="its own tensor"
        ),
        Example("def forward(self, positions):\n    self.positions += positions\n", keeps="an attribute"),
    ]
    proof = """
import torch
from scenery import Tiny

class Positions(torch.nn.Module):
    def forward(self, position_ids):
        position_ids += 2
        return position_ids

class M(Tiny):
    def forward(self, input_ids, attention_mask=None, position_ids=None, past_key_values=None, **kwargs):
        self.places = [*getattr(self, "places", []), int(Positions()(position_ids)[0, -1])]
        return self.answer(input_ids, past_key_values)

model = M(M.config_class())
model.says(prompt=2, tokens=3)
assert model.places == [3, 4, 5], model.places
"""

    def leave_AugAssign(self, original_node: cst.AugAssign, updated_node: cst.AugAssign) -> cst.AugAssign | cst.Assign:
        sign, name = SIGNS.get(type(updated_node.operator)), updated_node.target
        if sign is None or not m.matches(name, NAMES) or not self._handed(cst.ensure_type(name, cst.Name)):
            return updated_node
        value = updated_node.value
        if not isinstance(value, PLAIN) and not value.lpar:
            value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return cst.Assign([cst.AssignTarget(name)], cst.BinaryOperation(name, sign(), value))

    def _handed(self, name: cst.Name) -> bool:
        """Whether the function around takes it as a parameter."""
        function = self.file.function
        if function is None:
            return False
        parameters = (*function.params.params, *function.params.kwonly_params)
        return any(parameter.name.value == name.value for parameter in parameters)
