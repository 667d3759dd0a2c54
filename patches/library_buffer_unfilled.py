"""A module of the library has a buffer that the file's `_init_weights` does not fill.

transformers 5.x builds every model on the meta device and gives each buffer that no checkpoint holds uninitialised
memory; `_init_weights` is where it is filled again.  The library's models do so for their own modules, such as
`LlamaRotaryEmbedding`.  In a file that takes one and has an `_init_weights` of its own nobody does: rotary frequencies
are garbage, the logits are wrong and change from load to load, without an error.  The rewritten method asks the models
of the module's own file.

Reference: https://github.com/huggingface/transformers/issues/48892
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.borrowed import unfilling
from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.traversal import find

HELPER = '''
def _doctor_fill_library_buffers(model, module):
    """Let transformers 5 fill the buffers, which it left uninitialised, of a module that is its own."""
    import importlib.util
    import sys

    home = type(module).__module__
    if not home.startswith("transformers.models.") or not module._non_persistent_buffers_set:
        return
    if importlib.util.find_spec("transformers.initialization") is None:
        return
    known = [one for one in vars(sys.modules[home]).values() if isinstance(one, type)]
    filling = [one for one in known if one.__name__.endswith("PreTrainedModel") and one.__module__ == home]
    for one in filling:
        one._init_weights(model, module)
'''
IMPORT = "from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding\n"
MODEL = """class M(PreTrainedModel):
    def __init__(self, config):
        self.rotary_emb = LlamaRotaryEmbedding(config=config)

    def _init_weights(self, module):
        {}if isinstance(module, nn.Linear):
            module.weight.normal_()
"""


class LibraryBufferUnfilled(Patch):
    old, new = "transformers<5", "transformers>=4.45"
    needles = (b"Embedding(", b"Embeddings(")
    mends = ("library-buffer-unfilled",)
    helpers = {"_doctor_fill_library_buffers": HELPER}
    examples = [
        Example(
            IMPORT + MODEL.format(""),
            IMPORT + MODEL.format("_doctor_fill_library_buffers(self, module)\n        "),
        ),
        Example(
            IMPORT + MODEL.format("super()._init_weights(module)\n        "),
            keeps="the library's own method fills rotary embeddings",
        ),
        Example(MODEL.format(""), keeps="a module of the file's own"),
        Example(
            IMPORT.replace("RotaryEmbedding", "RMSNorm") + MODEL.format("").replace("RotaryEmbedding", "RMSNorm"),
            keeps="a module without such a buffer",
        ),
    ]
    proof = """
import torch
from scenery import TinyConfig, reloaded
from transformers import LlamaConfig, PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

sizes = LlamaConfig(hidden_size=64, num_attention_heads=1, max_position_embeddings=64)

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.weight = torch.nn.Parameter(torch.ones(4))
        self.rotary_emb = LlamaRotaryEmbedding(config=sizes)
        self.post_init()

    def _init_weights(self, module):
        pass

expected = LlamaRotaryEmbedding(config=sizes).inv_freq
assert torch.equal(reloaded(M(TinyConfig())).rotary_emb.inv_freq, expected)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        left = unfilling(file.text)
        owners = Classes(file.text).nodes.items() if left else ()
        self.owners = {name for name, node in owners if any(part in left for part in node.body)}
        """The classes whose own method it is."""

    def reaches(self, name: str, text: str) -> bool:
        return name in self.owners or name.removesuffix("._init_weights") in self.owners

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        parameters, body = updated_node.params.params, updated_node.body
        owner = self.file.classes[-1].name.value if self.file.classes else ""
        if owner not in self.owners or updated_node.name.value != "_init_weights" or len(parameters) != 2:
            return updated_node
        if not isinstance(body, cst.IndentedBlock) or find(body, m.Name("_doctor_fill_library_buffers")):
            return updated_node
        place = int(updated_node.get_docstring() is not None)
        given = [cst.Arg(parameter.name) for parameter in parameters]
        fill = cst.SimpleStatementLine([cst.Expr(cst.Call(self.helper("_doctor_fill_library_buffers"), given))])
        return updated_node.with_deep_changes(body, body=[*body.body[:place], fill, *body.body[place:]])
