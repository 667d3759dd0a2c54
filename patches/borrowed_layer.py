"""A model that inherits the library's layers calls them as transformers 4.47 had it.

A class such as `MyModel(LlamaModel)` with a `forward` of its own calls `decoder_layer(hidden_states, position_ids=...)`
and takes `layer_outputs[0]`.  Since transformers 4.48 a layer is handed the rotary embedding (`TypeError: cannot unpack
non-iterable NoneType object`), since 4.54 it answers with a tensor, of which `[0]` is the first row of the batch, and
since 4.56 it takes the cache under another name and overlooks the old one: the rest of the batch is gone and nothing is
remembered, without an error.

Reference: https://github.com/huggingface/transformers/pull/39120
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.borrowed import FAMILIES, Layered, calls_layer, layered
from doctor.patch import Example, File, Patch

HELPER = '''
def _doctor_layer(model, layer, hidden_states, *args, **kwargs):
    """Call a layer of the library as up to transformers 4.47: it embeds positions itself, and answers with a tuple."""
    import inspect

    names = ("attention_mask", "position_ids", "past_key_value", "output_attentions", "use_cache", "cache_position")
    kwargs.update(zip((*names, "position_embeddings"), args))
    takes = inspect.signature(type(layer).forward).parameters
    cache = kwargs.get("past_key_value", kwargs.get("past_key_values"))
    weights, cached = bool(kwargs.get("output_attentions")), bool(kwargs.get("use_cache"))
    if "past_key_values" in takes and "past_key_value" in kwargs:
        kwargs["past_key_values"] = kwargs.pop("past_key_value")
    if "output_attentions" not in takes:
        kwargs.pop("output_attentions", None)
    if kwargs.get("position_embeddings") is None:
        kwargs.pop("position_embeddings", None)
        if "position_embeddings" in takes and not hasattr(layer.self_attn, "rotary_emb"):
            kwargs["position_embeddings"] = model.rotary_emb(hidden_states, kwargs["position_ids"])
    answer = layer(hidden_states, **kwargs)
    answer = answer if isinstance(answer, tuple) else (answer,)
    if weights and len(answer) == 1:
        raise ValueError("the layers of this transformers release do not hand out their attention weights")
    return answer if len(answer) == 1 + weights + cached else (*answer, cache)
'''
HEAD = "from transformers.models.llama.modeling_llama import LlamaModel\n"
MODEL = """class MyModel(LlamaModel):
    def forward(self, x, mask, position_ids, cache):
        for decoder_layer in self.layers:
            layer_outputs = {}
            x = {}
        return x
"""
CALL = "decoder_layer(x, attention_mask=mask, position_ids=position_ids, past_key_value=cache)"
MENDED = CALL.replace("decoder_layer(", "_doctor_layer(self, decoder_layer, ")
CHECKPOINTED = "self._gradient_checkpointing_func(decoder_layer.__call__, x, mask, position_ids)"


class BorrowedLayer(Patch):
    old, new = "transformers<4.48", "transformers>=4.41"
    needles = tuple(f"{family}Model)".encode() for family in FAMILIES)
    mends = ("borrowed-layer",)
    helpers = {"_doctor_layer": HELPER}
    examples = [
        Example(HEAD + MODEL.format(CALL, "layer_outputs[0]"), HEAD + MODEL.format(MENDED, "layer_outputs[0]")),
        Example(
            HEAD + MODEL.format(CHECKPOINTED, "layer_outputs[0]"),
            HEAD
            + MODEL.format(
                CHECKPOINTED.replace("decoder_layer.__call__", "_doctor_layer, self, decoder_layer"), "layer_outputs[0]"
            ),
        ),
        Example(HEAD + MODEL.format(CALL, "layer_outputs"), keeps="the way of newer releases"),
        Example(MODEL.format(CALL, "layer_outputs[0]"), keeps="a model of the file's own"),
        Example(
            HEAD
            + MODEL.format(CALL, "layer_outputs[0]")
            + "    def __init__(self, config):\n        self.layers = ModuleList([MyLayer(config)])\n",
            keeps="layers of the file's own",
        ),
    ]
    proof = """
import torch
from transformers import DynamicCache, LlamaConfig
from transformers.models.llama.modeling_llama import LlamaModel

class MyModel(LlamaModel):
    def forward(self, input_ids, past_key_values=None, position_ids=None):
        hidden_states = self.embed_tokens(input_ids)
        for decoder_layer in self.layers:
            layer_outputs = decoder_layer(
                hidden_states, position_ids=position_ids, past_key_value=past_key_values, use_cache=True
            )
            hidden_states, cache = layer_outputs[0], layer_outputs[1]
        return self.norm(hidden_states), cache

sizes = dict(hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=2, vocab_size=8)
torch.manual_seed(0)
model = MyModel(LlamaConfig(**sizes)).eval()
ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
whole, _ = model(ids, DynamicCache(), torch.arange(3)[None])
first, cache = model(ids[:, :2], DynamicCache(), torch.arange(2)[None])
last, cache = model(ids[:, 2:], cache, torch.tensor([[2]]))
assert whole.shape == (2, 3, 16) and cache.get_seq_length() == 3
assert torch.allclose(whole[:, 2:], last, atol=1e-5)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.layered = layered(file.text)

    def reaches(self, name: str, text: str) -> bool:
        return any(name in (one.owner, f"{one.owner}.{one.method.name}") for one in self.layered)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        one = self._around()
        if one is None or not _is_call(updated_node, one.layer):
            return updated_node
        made, layer = self.helper("_doctor_layer"), cst.Arg(cst.Name(one.layer))
        given = [cst.Arg(cst.Name("self")), layer]
        if isinstance(updated_node.func, cst.Name) and updated_node.func.value == one.layer:
            return updated_node.with_changes(func=made, args=[*given, *updated_node.args])
        first = updated_node.args[0].with_changes(value=made)
        layer = layer.with_changes(comma=updated_node.args[0].comma)
        return updated_node.with_changes(args=[first, given[0], layer, *updated_node.args[1:]])

    def _around(self) -> Layered | None:
        """The method around the node that calls the library's layers."""
        function, classes = self.file.function, self.file.classes
        place = (classes[-1].name.value, function.name.value) if function and classes else None
        return next((one for one in self.layered if (one.owner, one.method.name) == place), None)


def _is_call(node: cst.Call, layer: str) -> bool:
    call = ast.parse(cst.Module([]).code_for_node(node).strip(), mode="eval").body
    return isinstance(call, ast.Call) and calls_layer(call, layer)
