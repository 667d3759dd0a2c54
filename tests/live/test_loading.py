"""The loader on this release: the dtype is the one asked for, adapters go on top, 4 bits load or say why not."""

import os
from pathlib import Path

import pytest

from doctor.settings import UsageError

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]


def test_the_dtype_is_the_one_asked_for(tiny_llama: Path) -> None:
    import torch

    from doctor.trainer.model import load_model

    assert load_model(str(tiny_llama), device="cpu").dtype == torch.float32
    model = load_model(str(tiny_llama), device="cpu", dtype="bfloat16", attention="eager")
    assert (model.dtype, model.config._attn_implementation, model.training) == (torch.bfloat16, "eager", False)


def test_four_bits_load_without_a_gpu_or_say_why_not(tiny_llama: Path) -> None:
    import torch

    from doctor.trainer import model as loading

    variables = dict(os.environ)
    if loading.RELEASE.release < (4, 50):
        with pytest.raises(UsageError, match="quantises on a GPU only, and there is none: train with `method: lora`"):
            loading.load_model(str(tiny_llama), "nf4", "cpu")
        return
    model = loading.load_model(str(tiny_llama), "nf4-double", "cpu")
    layer = model.model.layers[0]
    assert type(layer.self_attn.q_proj).__name__ == "Linear4bit"
    assert model.model.embed_tokens.weight.dtype == layer.input_layernorm.weight.dtype == torch.float32
    assert dict(os.environ) == variables, "variables of the load are gone"


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    from doctor.trainer.model import load_model, load_tokenizer

    with pytest.raises(UsageError, match=r"model .*: it does not load on transformers"):
        load_model(str(tmp_path), device="cpu")
    with pytest.raises(UsageError, match=r"model .*: its tokenizer does not load on transformers"):
        load_tokenizer(str(tmp_path))
    with pytest.raises(UsageError, match="sees no GPU: write `device: cpu`"):
        load_model(str(tmp_path), device="cuda")
