"""A name is imported that newer transformers releases no longer have.

One such import makes the whole file unusable: `ImportError: cannot import name 'SlidingWindowCache' from
'transformers.cache_utils'` (5.0), `'is_torch_fx_available' from 'transformers.utils.import_utils'` (5.0), and so on.
The import moves into `try`, with a stand-in that does what the name did where that can still happen: no cache of a
newer release is a SlidingWindowCache, torch.fx is always there, a MambaCache is two tensors, a HybridCache keeps all
keys (its files mask what is outside the window).  Where it cannot (the ONNX export of 4.x, head pruning, naive model
parallelism, a class for one implementation of attention) the stand-in says so when it is called.  `try` is also the one
spelling that the import check of every release accepts.

Reference: https://github.com/huggingface/transformers/issues/44561
"""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from doctor.import_patch import ImportPatch
from doctor.importing import instead
from doctor.patch import Example

CACHE = "class {name}:\n    pass  # no cache of this release is one\n"
HYBRID = """from transformers.cache_utils import DynamicCache

class {name}(DynamicCache):
    _doctor_limit = None

    def __init__(self, config=None, max_batch_size=None, max_cache_len=None, *args, **kwargs):
        super().__init__()
        self._doctor_limit = max_cache_len

    def get_max_cache_shape(self, layer_idx=0):
        return self._doctor_limit

    get_max_length = get_max_cache_shape
"""
YES = "def {name}():\n    return True\n"
NO = "def {name}():\n    return False\n"
KWARGS = "from typing import TypedDict\n\nclass {name}(TypedDict, total=False):\n    pass\n"

NEVER = """class {name}:
    def __init__(self, *args, **kwargs):
        raise ImportError("this transformers release has no {name}")
"""
REFUSES = """def {name}(*args, **kwargs):
    raise ImportError("this transformers release has no {name}")
"""
MAMBA = """class {name}:
    def __init__(self, config, max_batch_size=None, dtype=None, device=None, batch_size=None, **kwargs):
        import torch

        self.dtype = torch.float16 if dtype is None else dtype
        self.max_batch_size = self.batch_size = max_batch_size or batch_size
        self.intermediate_size, self.ssm_state_size = config.intermediate_size, config.state_size
        self.conv_kernel_size = config.conv_kernel
        shape = config.num_hidden_layers, self.max_batch_size, self.intermediate_size
        sizes = self.conv_kernel_size, self.ssm_state_size
        states = [torch.zeros(*shape, size, device=device, dtype=self.dtype) for size in sizes]
        self.conv_states, self.ssm_states = states

    def update_conv_state(self, layer_idx, new_conv_state, cache_position):
        state = self.conv_states[layer_idx].roll(shifts=-1, dims=-1)
        state[:, :, cache_position.clamp(0, self.conv_kernel_size - 1)] = new_conv_state.to(state)
        self.conv_states[layer_idx].copy_(state)
        return self.conv_states[layer_idx]

    def update_ssm_state(self, layer_idx, new_ssm_state):
        self.ssm_states[layer_idx] = new_ssm_state.to(self.ssm_states.device)
        return self.ssm_states[layer_idx]

    def reset(self):
        self.conv_states.zero_()
        self.ssm_states.zero_()
"""

EXPAND = """def {name}(mask, dtype, tgt_len=None):
    import torch

    hidden = 1.0 - mask[:, None, None, :].expand(-1, 1, tgt_len or mask.shape[1], -1).to(dtype)
    return hidden.masked_fill(hidden.to(torch.bool), torch.finfo(dtype).min)
"""
CAUSAL = """def {name}(input_ids_shape, dtype, device=None, past_key_values_length=0):
    import torch

    batch, length = input_ids_shape
    mask = torch.full((length, length), torch.finfo(dtype).min, dtype=dtype, device=device).triu(1)
    mask = torch.cat([mask.new_zeros(length, past_key_values_length), mask], dim=-1)
    return mask.expand(batch, 1, -1, -1)
"""
ATTENTIONS = """from MODULE import CLASS
{name} = dict.fromkeys(("eager", "sdpa", "flash_attention_2"), CLASS)
"""
CHUNKS = "from transformers.pytorch_utils import apply_chunking_to_forward as {name}\n"

_CACHES = ("transformers", "transformers.cache_utils")
_UTILS = ("transformers.utils", "transformers.utils.import_utils")
_ONNX = ("transformers.onnx", "transformers.onnx.config")
_LAYERS = ("transformers.modeling_utils", "transformers.pytorch_utils")
_SPLIT = ("transformers.utils.model_parallel_utils",)
_MASKS = tuple(f"transformers.models.{name}.modeling_{name}" for name in ("bart", "llama", "mistral", "opt"))
_BLOOM = ("transformers.models.bloom.modeling_bloom",)
ARCHIVES = "transformers.models.deprecated._archive_maps"
"""In 4.40 alone: lists and maps of addresses that nothing reads."""

FAMILIES = ("Bart", "CLIP", "Siglip", "Whisper")
"""Models whose classes for one implementation of attention went soon after transformers 4.48."""


def _attentions() -> dict[str, tuple[tuple[str, ...], str]]:
    """`WhisperFlashAttention2`, `WhisperSdpaAttention`, `WHISPER_ATTENTION_CLASSES`: one class does it all now."""
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for family in FAMILIES:
        modules = (f"transformers.models.{family.lower()}.modeling_{family.lower()}",)
        classes = ATTENTIONS.replace("MODULE", modules[0]).replace("CLASS", f"{family}Attention")
        found |= {f"{family}{kind}": (modules, NEVER) for kind in ("FlashAttention2", "SdpaAttention")}
        found[f"{family.upper()}_ATTENTION_CLASSES"] = (modules, classes)
    return found


GONE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "SlidingWindowCache": (_CACHES, CACHE),
    "HybridCache": (_CACHES, HYBRID),
    "HybridChunkedCache": (_CACHES, CACHE),
    "OffloadedHybridCache": (_CACHES, CACHE),
    "OffloadedStaticCache": (_CACHES, CACHE),
    "SinkCache": (_CACHES, CACHE),
    "MambaCache": (_CACHES, MAMBA),
    "LossKwargs": (("transformers.utils", "transformers.utils.generic"), KWARGS),
    "is_flash_attn_available": (_UTILS, NO),
    "is_flax_available": (_UTILS, NO),
    "is_safetensors_available": (_UTILS, YES),
    "is_tf_available": (_UTILS, NO),
    "is_torch_fx_available": (_UTILS, YES),
    "OnnxConfig": (_ONNX, NEVER),
    "OnnxConfigWithPast": (_ONNX, NEVER),
    "OnnxSeq2SeqConfigWithPast": (_ONNX, NEVER),
    "PatchingSpec": (_ONNX, NEVER),
    "compute_effective_axis_dimension": (("transformers.onnx.utils",), REFUSES),
    "SequenceSummary": (("transformers.modeling_utils",), NEVER),
    "find_pruneable_heads_and_indices": (_LAYERS, REFUSES),
    "prune_conv1d_layer": (_LAYERS, REFUSES),
    "prune_layer": (_LAYERS, REFUSES),
    "prune_linear_layer": (("transformers.modeling_utils",), REFUSES),
    "assert_device_map": (_SPLIT, REFUSES),
    "get_device_map": (_SPLIT, REFUSES),
    "apply_chunking_to_forward": (("transformers.modeling_utils",), CHUNKS),
    "_make_causal_mask": (_MASKS, CAUSAL),
    "_expand_mask": (_MASKS, EXPAND),
    **_attentions(),
}
"""Name to the modules that had it and the source of its stand-in."""

CHANGED = {
    "HybridCache": """    from transformers import cache_utils
    if hasattr(cache_utils, "DynamicLayer"):
        raise ImportError("releases from 4.54 on take every layer of such a model for a window")
"""
}
"""Name to what follows its import: releases in which it is there and is another thing count as those without."""


class RemovedImport(ImportPatch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (*(name.encode() for name in GONE), ARCHIVES.encode())
    mends = (
        *(f"import:{module}.{name}" for name, (modules, _) in GONE.items() for module in modules),
        *(f"import:{_BLOOM[0]}.{name}" for name in ("_expand_mask", "_make_causal_mask")),
        f"import:{ARCHIVES}",
    )
    examples = [
        Example(
            "from transformers.cache_utils import Cache, DynamicCache, SlidingWindowCache, StaticCache\n",
            """from transformers.cache_utils import Cache, DynamicCache, StaticCache
try:
    from transformers.cache_utils import SlidingWindowCache
except ImportError:
    class SlidingWindowCache:
        pass  # no cache of this release is one
""",
        ),
        Example(
            "from transformers.utils.import_utils import is_torch_fx_available\n",
            """try:
    from transformers.utils.import_utils import is_torch_fx_available
except ImportError:
    def is_torch_fx_available():
        return True
""",
        ),
        Example(
            """from transformers.utils import (
    is_tf_available,
    logging,
)
""",
            """from transformers.utils import (
    logging,
)
try:
    from transformers.utils import is_tf_available
except ImportError:
    def is_tf_available():
        return False
""",
        ),
        Example(
            "from transformers import HybridCache\n",
            """try:
    from transformers import HybridCache
    from transformers import cache_utils
    if hasattr(cache_utils, "DynamicLayer"):
        raise ImportError("releases from 4.54 on take every layer of such a model for a window")
except ImportError:
    from transformers.cache_utils import DynamicCache

    class HybridCache(DynamicCache):
        _doctor_limit = None

        def __init__(self, config=None, max_batch_size=None, max_cache_len=None, *args, **kwargs):
            super().__init__()
            self._doctor_limit = max_cache_len

        def get_max_cache_shape(self, layer_idx=0):
            return self._doctor_limit

        get_max_length = get_max_cache_shape
""",
        ),
        Example(
            "from transformers import SinkCache as Sink, PreTrainedModel\n",
            """from transformers import PreTrainedModel
try:
    from transformers import SinkCache as Sink
except ImportError:
    class Sink:
        pass  # no cache of this release is one
""",
        ),
        Example(
            "from transformers.onnx import OnnxConfigWithPast\n",
            """try:
    from transformers.onnx import OnnxConfigWithPast
except ImportError:
    class OnnxConfigWithPast:
        def __init__(self, *args, **kwargs):
            raise ImportError("this transformers release has no OnnxConfigWithPast")
""",
        ),
        Example(
            "from transformers.models.deprecated._archive_maps import PHI_PRETRAINED_CONFIG_ARCHIVE_MAP  # noqa\n",
            """try:
    from transformers.models.deprecated._archive_maps import PHI_PRETRAINED_CONFIG_ARCHIVE_MAP
except ImportError:
    PHI_PRETRAINED_CONFIG_ARCHIVE_MAP = {}
""",
        ),
        Example(
            "from transformers.models.whisper.modeling_whisper import WhisperAttention, WhisperFlashAttention2\n",
            """from transformers.models.whisper.modeling_whisper import WhisperAttention
try:
    from transformers.models.whisper.modeling_whisper import WhisperFlashAttention2
except ImportError:
    class WhisperFlashAttention2:
        def __init__(self, *args, **kwargs):
            raise ImportError("this transformers release has no WhisperFlashAttention2")
""",
        ),
        Example("from transformers.cache_utils import Cache, DynamicCache\n", keeps="names that are still there"),
        Example(
            "try:\n    from transformers.utils import is_torch_fx_available\nexcept ImportError:\n"
            "    is_torch_fx_available = None\n",
            keeps="the author has guarded it",
        ),
        Example("from mylib.cache_utils import SlidingWindowCache\n", keeps="somebody else's name"),
    ]
    proof = """
from transformers.cache_utils import DynamicCache, SlidingWindowCache
from transformers.pytorch_utils import find_pruneable_heads_and_indices
from transformers.utils.import_utils import is_torch_fx_available

assert not isinstance(DynamicCache(), SlidingWindowCache)
assert is_torch_fx_available() in (True, False)
"""

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.BaseStatement]:
        line = updated_node
        statement = line.body[0]
        if self.tries or len(line.body) != 1 or not isinstance(statement, cst.ImportFrom):
            return updated_node
        module = _dotted(statement)
        if module is None or isinstance(statement.names, cst.ImportStar):
            return updated_node
        gone = [alias for alias in statement.names if _source(module, _name(alias))]
        if not gone:
            return updated_node
        return instead(line, gone, [_guard(module, alias) for alias in gone])


def _name(alias: cst.ImportAlias) -> str:
    return alias.name.value if isinstance(alias.name, cst.Name) else ""


def _dotted(statement: cst.ImportFrom) -> str | None:
    if statement.relative or statement.module is None:
        return None
    return cst.Module([]).code_for_node(statement.module)


def _guard(module: str, alias: cst.ImportAlias) -> cst.Try:
    """`try` the import, `except ImportError` the stand-in, under the name the file uses."""
    name = _name(alias)
    local = alias.evaluated_alias or name
    source = f"from {module} import {name}" + (f" as {local}" if local != name else "")
    lines = _source(module, name).format(name=local).splitlines(True)
    stand_in = "".join(f"    {line}" if line.strip() else line for line in lines)
    changed = CHANGED.get(name, "").format(name=local)
    statement = cst.parse_statement(f"try:\n    {source}\n{changed}except ImportError:\n{stand_in}")
    return cst.ensure_type(statement, cst.Try)


def _source(module: str, name: str) -> str:
    """The stand-in for a name of a module, empty where newer releases have it."""
    if module == ARCHIVES:
        return "{name} = {{}}\n" if name.endswith("_MAP") else "{name} = []\n"
    if module in _BLOOM and name in ("_expand_mask", "_make_causal_mask"):  # of other arguments than all the rest
        return REFUSES
    modules, source = GONE.get(name, ((), ""))
    return source if module in modules else ""
