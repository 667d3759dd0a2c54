"""What autograd keeps of one layer, beside what the memory model says, on the release that is installed."""

from __future__ import annotations

from typing import Any

import pytest

from doctor.memory import activations
from doctor.memory.shape import shape_of
from doctor.model import ModelFacts

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]  # releases deprecate what is tested

TOKENS = 128
SIZES: dict[str, Any] = {
    "hidden_size": 256, "intermediate_size": 704, "num_attention_heads": 8, "num_key_value_heads": 2,
    "vocab_size": 64, "tie_word_embeddings": False, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
FAMILIES = {
    "llama": "Llama",
    "mistral": "Mistral",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "phi": "Phi",
    "phi3": "Phi3",
    "gemma2": "Gemma2",
    "gemma3_text": "Gemma3",
}
BOUND = 0.2
"""The CPU's attention kernel keeps a copy of its result that the GPU's does not, and norms differ by release."""


def config(family: str) -> dict[str, Any]:
    """Sizes in the words of a family's config.json."""
    return SIZES | ({"head_dim": 32} if family in ("qwen3", "gemma2", "gemma3_text") else {})


def kept(family: str, layers: int) -> int:
    """Bytes that the graph of one forward pass keeps beside the parameters, adapters in place."""
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model

    name = FAMILIES[family]
    build = getattr(transformers, f"{name}TextConfig" if family == "gemma3_text" else f"{name}Config")
    model = getattr(transformers, f"{name}ForCausalLM")(build(**config(family), num_hidden_layers=layers))
    model = get_peft_model(model.bfloat16(), LoraConfig(r=4, target_modules="all-linear")).train()
    model.config.use_cache = False
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    held: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage  # kept alive, so that no address is given out twice
        return tensor

    rows = model.get_input_embeddings()(torch.arange(3, 3 + TOKENS).remainder(64)[None]).detach().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        model(inputs_embeds=rows)
    return sum(storage.nbytes() for storage in held.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_what_one_layer_keeps(family: str) -> None:
    import transformers

    if not hasattr(transformers, f"{FAMILIES[family]}ForCausalLM"):
        pytest.skip(f"transformers {transformers.__version__} has no {FAMILIES[family]}")
    measured = (kept(family, 3) - kept(family, 2)) / TOKENS
    facts = ModelFacts("/m", {**config(family), "model_type": family, "num_hidden_layers": 2})
    dimensions = shape_of(facts).dimensions
    predicted = activations.saved(dimensions, activations.HALF)
    if dimensions.eager:  # some releases compute capped attention without its matrix, the model counts it on all
        assert measured <= (predicted + activations.scores(dimensions, TOKENS)) * (1 + BOUND)
        return
    assert abs(predicted / measured - 1) <= BOUND, f"{predicted} predicted, {measured:.0f} bytes a token measured"
