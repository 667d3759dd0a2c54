"""A model as the memory model sees it: its weights and dimensions, from headers or from config.json alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, Literal

from doctor.memory.dimensions import Dimensions, text_config
from doctor.memory.families import KNOWN, TIED, weights
from doctor.model import ModelFacts

Kind = Literal["linear", "expert", "experts", "embedding", "head", "other"]
"""What becomes of a weight: `expert` is one expert's own linear layer, `experts` all of a layer in one tensor."""

ITEMSIZES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
"""Bytes of one element by safetensors dtype; what is not here takes one."""
HEADS = ("lm_head.weight", "output.weight", "embed_out.weight", "output_layer.weight")
EMBEDDINGS = re.compile(r"embed|(^|\.)wte\.|(^|\.)wpe\.")
LAYER = re.compile(r"\.(?:layers|h|blocks|block|layer)\.(\d+)\.")
GATED = re.compile(r"gate_proj|gate_up_proj|experts\.\d+\.w3|mlp\.w[12]\.|feed_forward\.w3")
FUSED_QKV = re.compile(r"qkv|query_key_value|c_attn")


@dataclass(frozen=True)
class Weight:
    """One tensor of the checkpoint."""

    name: str
    shape: tuple[int, ...]
    kind: Kind
    itemsize: int = 2
    """Bytes an element in the file."""

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @cached_property
    def layer(self) -> int | None:
        """The layer it belongs to; None: outside the stack of layers."""
        found = LAYER.search("." + self.name)
        return int(found[1]) if found else None


@dataclass(frozen=True, eq=False)
class Shape:
    """All weights of a model, and the widths that its activations have.  Equal to itself alone, so that sums over
    its weights, of which a mixture of experts has ten thousands, can be kept."""

    weights: tuple[Weight, ...]
    dimensions: Dimensions
    known: bool
    """Whether the architecture is one whose activations were worked out."""
    measured: bool
    """Whether the weights are those of the headers, not derived from config.json."""
    native: bool
    """Whether the library's own class is used, not code that the model brings."""
    quantised: str | None
    """The method by which the checkpoint itself is quantised already."""

    def interval(self, peak: int, of_weights: bool = False) -> tuple[int, int]:
        """The interval around a peak, as wide as what is taken for granted; `of_weights`: of little but weights."""
        if of_weights and (self.known or self.measured):
            low, high = 0.95, 1.05
        elif self.known and not self.dimensions.experts:
            low, high = 0.93, 1.07
        else:
            low, high = (0.8, 1.3) if self.known or self.measured else (0.7, 1.5)
        return int(peak * low), int(peak * high)

    @cached_property
    def parameters(self) -> int:
        """Elements of all weights."""
        return sum(weight.numel for weight in self.weights)

    def of(self, *kinds: Kind) -> list[Weight]:
        """The weights of some kinds."""
        return [weight for weight in self.weights if weight.kind in kinds]

    @cached_property
    def widest(self) -> int:
        """Elements of the largest linear layer."""
        return max((weight.numel for weight in self.of("linear", "expert")), default=0)


def shape_of(model: ModelFacts) -> Shape:
    """The shape of a model folder.

    Raises ValueError where config.json does not say enough and no header does.
    """
    config = text_config(model.config)
    known = config.get("model_type") in KNOWN and "auto_map" not in model.config
    dimensions = Dimensions.read(config)
    if not model.tensors and config.get("is_encoder_decoder"):
        raise ValueError("config.json alone does not give the shapes of an encoder and a decoder: its safetensors do")
    found = tuple(_headers(model)) or tuple(_derived(config, dimensions))
    if model.tensors and not known:
        names = [weight.name for weight in found if weight.kind != "other"]
        dimensions = replace(
            dimensions,
            gated=any(map(GATED.search, names)),
            fused=any("gate_up_proj" in name for name in names),
            fused_qkv=any(map(FUSED_QKV.search, names)),
        )
    return Shape(
        tuple(sorted(found, key=lambda weight: _natural(weight.name))),
        dimensions,
        known=known,
        measured=bool(model.tensors),
        native="auto_map" not in model.config,
        quantised=_quantised(model.config),
    )


def _headers(model: ModelFacts) -> list[Weight]:
    return [
        Weight(name, shape, _kind(name, shape), ITEMSIZES.get(dtype, 1))
        for name, (dtype, shape) in model.tensors.items()
    ]


def _derived(config: Mapping[str, Any], dimensions: Dimensions) -> list[Weight]:
    named = dict(weights(config, dimensions))
    if not config.get("tie_word_embeddings", config.get("model_type") in TIED):
        named["lm_head.weight"] = (dimensions.vocabulary, dimensions.hidden)
    return [Weight(name, shape, _kind(name, shape)) for name, shape in named.items()]


def _kind(name: str, shape: tuple[int, ...]) -> Kind:
    if "experts." in name and len(shape) == 3:
        return "experts"
    if name.endswith(HEADS) and ".layers." not in name:
        return "head"
    if len(shape) != 2 or name.endswith("bias"):
        return "other"
    if EMBEDDINGS.search(name):
        return "embedding"
    return "expert" if re.search(r"experts\.\d+\.", name) else "linear"


def _quantised(config: Mapping[str, Any]) -> str | None:
    found = config.get("quantization_config")
    return str(found.get("quant_method", "unknown")) if isinstance(found, Mapping) else None


def _natural(name: str) -> list[tuple[int, int, str]]:
    """The order in which transformers 5 loads: parts of the name, numbers by value."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in name.split(".")]
