"""An attention class of the library is used as transformers 4.47 had it.

`LlamaAttention` took `position_ids`, made the rotary embedding itself and returned three values, and there were
`LlamaFlashAttention2`, `LlamaSdpaAttention` and `LLAMA_ATTENTION_CLASSES` beside it.  Since 4.48 one class does the
work of all three, is handed the embedding (`TypeError: LlamaAttention.forward() missing 1 required positional argument:
'position_embeddings'`; from 5.0 on `TypeError: cannot unpack non-iterable NoneType object`) and returns two values.  So
it is with Mistral, Mixtral, Qwen2, Gemma, Phi and their like.

The file's names stay: on newer releases they are a class that keeps the old promise on top of the new one.  It makes
the rotary embedding at the first call, on the device of what it is called with: nothing of it is in the checkpoint.
Where the attention goes into the library's own layers, which call it in the new way, the old names are the new class.

Reference: https://github.com/huggingface/transformers/pull/35235
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.borrowed import FAMILIES, Borrowed, borrowed, inside, names
from doctor.import_patch import ImportPatch
from doctor.importing import guarded, instead
from doctor.patch import Example, File, after_imports
from doctor.rope_patch import EMBEDDING
from doctor.traversal import find

HELPER = '''
def _doctor_attention(path, family, name):
    """The attention class of that name as it was up to transformers 4.47, which takes positions and returns three."""
    import importlib
    import inspect

    module = importlib.import_module(path)
    newer = getattr(module, f"{family}Attention")
    takes = inspect.signature(newer.forward).parameters
    if "position_ids" in takes:
        return getattr(module, name)
    cache = "past_key_values" if "past_key_values" in takes else "past_key_value"

    class Attention(newer):
        def __init__(self, config, layer_idx=None):
            super().__init__(config, layer_idx)
            self.hidden_size, self.num_heads = config.hidden_size, config.num_attention_heads
            self.num_key_value_heads = config.num_key_value_heads
            self.max_position_embeddings = config.max_position_embeddings
            self.rotary_emb = self._doctor_rotary_emb

        def _doctor_rotary_emb(self, x, position_ids):
            held = self.__dict__.setdefault("_doctor_rope", [])  # out of sight of state_dict and of the loader
            if not held or held[0].inv_freq.device != x.device:
                rotary = getattr(module, f"{family}RotaryEmbedding")
                held[:] = [_doctor_rotary_embedding(rotary, config=self.config, device=x.device)]
            return held[0](x, position_ids)

        def forward(
            self,
            hidden_states,
            attention_mask=None,
            position_ids=None,
            past_key_value=None,
            output_attentions=False,
            use_cache=False,
            cache_position=None,
            position_embeddings=None,
            **kwargs,
        ):
            if position_embeddings is None:
                position_embeddings = self.rotary_emb(hidden_states, position_ids)
            plain = self.config._attn_implementation in ("eager", "sdpa")
            if attention_mask is None and plain and not name.endswith("SdpaAttention"):
                attention_mask = hidden_states.new_zeros(1, 1, 1, 1)  # no mask hid nothing
            kwargs.update({cache: past_key_value, "attention_mask": attention_mask})
            output, weights = super().forward(hidden_states, position_embeddings=position_embeddings, **kwargs)
            return output, weights if output_attentions else None, past_key_value

    Attention.__name__ = Attention.__qualname__ = name
    if name.endswith("_CLASSES"):
        return dict.fromkeys(("eager", "sdpa", "flash_attention_2"), Attention)
    return Attention
'''
MADE = m.SimpleStatementLine([m.Assign(value=m.Call(func=m.Name("_doctor_attention")))])
LLAMA = "transformers.models.llama.modeling_llama"
INSIDE = """class Layer(LlamaDecoderLayer):
    def __init__(self, config):
        nn.Module.__init__(self)
        self.self_attn = LlamaSdpaAttention(config, 0)
"""


class BorrowedAttention(ImportPatch):
    old, new = "transformers<4.48", "transformers>=4.41"
    needles = tuple(name.encode() for family in FAMILIES for name in names(family))
    mends = tuple(
        f"import:transformers.models.{family.lower()}.modeling_{family.lower()}.{name}"
        for family in FAMILIES
        for name in names(family)[1:]
    )
    helpers = {"_doctor_attention": HELPER, "_doctor_rotary_embedding": EMBEDDING}
    examples = [
        Example(
            f"from {LLAMA} import LlamaFlashAttention2, LlamaMLP\nfrom torch import nn\n",
            f"from {LLAMA} import LlamaMLP\nfrom torch import nn\n"
            f'LlamaFlashAttention2 = _doctor_attention("{LLAMA}", "Llama", "LlamaFlashAttention2")\n',
        ),
        Example(
            f"""from {LLAMA} import LlamaAttention as Attention
class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = Attention(config, 0)
    def forward(self, x, mask, position_ids):
        x, weights, cache = self.self_attn(x, mask, position_ids)
        return x
""",
            f"""Attention = _doctor_attention("{LLAMA}", "Llama", "LlamaAttention")
class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = Attention(config, 0)
    def forward(self, x, mask, position_ids):
        x, weights, cache = self.self_attn(x, mask, position_ids)
        return x
""",
        ),
        Example(
            f"from {LLAMA} import LlamaDecoderLayer, LlamaSdpaAttention\n" + INSIDE,
            f"from {LLAMA} import LlamaDecoderLayer\ntry:\n    from {LLAMA} import LlamaSdpaAttention\n"
            f"except ImportError:\n    from {LLAMA} import LlamaAttention as LlamaSdpaAttention\n" + INSIDE,
        ),
        Example(
            f"""from {LLAMA} import LlamaAttention
class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = LlamaAttention(config, 0)
    def forward(self, x, mask, embedding):
        x, weights = self.self_attn(x, embedding, mask)
        return x
""",
            keeps="the way of newer releases",
        ),
        Example(
            f"from {LLAMA} import LlamaAttention, LlamaFlashAttention2\nLlamaAttention.forward = forward\n",
            keeps="it changes the library's own class",
        ),
        Example(
            f"try:\n    from {LLAMA} import LlamaFlashAttention2\nexcept ImportError:\n    pass\n",
            keeps="the author has guarded it",
        ),
        Example("from mine import LlamaAttention, LlamaFlashAttention2\n", keeps="somebody else's name"),
    ]
    proof = """
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention

config = LlamaConfig(hidden_size=16, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=1)
config._attn_implementation = "eager"

class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attn = LlamaAttention(config, 0)

    def forward(self, x, positions):
        x, weights, cache = self.self_attn(x, position_ids=positions, output_attentions=True)
        return x, weights

torch.manual_seed(0)
layer = Layer().eval()
assert sorted(layer.state_dict()) == [f"self_attn.{name}_proj.weight" for name in "koqv"]
x, weights = layer(torch.randn(1, 3, 16), torch.arange(3)[None])
assert weights.shape == (1, 4, 3, 3) and (weights > 0).all()  # without a mask nothing is hidden
later, _ = layer(torch.zeros(1, 3, 16), torch.arange(3)[None])
assert x.shape == (1, 3, 16) and not torch.equal(x, later)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.borrowed = {(one.module, one.name): one for one in borrowed(file.text)}
        self.inside = bool(self.borrowed) and inside(file.text)

    def reaches(self, name: str, text: str) -> bool:
        return False  # only what stands at the top of a file

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.BaseStatement]:
        line, statement = updated_node, updated_node.body[0]
        if (
            self.tries
            or self.file.scope
            or not isinstance(statement, cst.ImportFrom)
            or isinstance(statement.names, cst.ImportStar)
        ):
            return updated_node
        module = cst.Module([]).code_for_node(statement.module) if statement.module else ""
        if self.inside:
            return guarded(
                line, module, {name: _newer(one) for (home, name), one in self.borrowed.items() if home == module}
            )
        taken = [alias for alias in statement.names if (module, alias.evaluated_name) in self.borrowed]
        if not taken:
            return updated_node
        return instead(line, taken, [self._made(module, alias) for alias in taken])

    def _made(self, module: str, alias: cst.ImportAlias) -> cst.SimpleStatementLine:
        """`NAME = _doctor_attention(...)`."""
        one = self.borrowed[module, alias.evaluated_name]
        self.helper("_doctor_rotary_embedding")
        call = f'{self.helper("_doctor_attention").value}("{module}", "{one.family}", "{one.name}")'
        return cst.ensure_type(cst.parse_statement(f"{one.local} = {call}"), cst.SimpleStatementLine)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        """Behind the last import, so that the helper does not come between imports."""
        ours = [one for one in updated_node.body if m.matches(one, MADE)] if self.borrowed else []
        short = updated_node.with_changes(body=[one for one in updated_node.body if one not in ours])
        names = {one.local for one in self.borrowed.values()}
        uses = [index for index, statement in enumerate(short.body) if names & _names(statement)]
        place = min([after_imports(short), *uses])
        return short.with_changes(body=[*short.body[:place], *ours, *short.body[place:]]) if ours else updated_node


def _newer(one: Borrowed) -> str:
    """The source of a name that is gone: the one class of newer releases."""
    newer = f"from {one.module} import {one.family}Attention"
    if not one.name.endswith("_CLASSES"):
        return f"{newer} as {{name}}\n"
    return f'{newer}\n{{name}} = dict.fromkeys(("eager", "sdpa", "flash_attention_2"), {one.family}Attention)\n'


def _names(statement: cst.CSTNode) -> set[str]:
    return {cst.ensure_type(name, cst.Name).value for name in find(statement, m.Name())}
