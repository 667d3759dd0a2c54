"""Remote code that borrows attention, layers and mask method of the library answers as the library's own model does."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doctor.patch import rewrite

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore::FutureWarning")]

SIZES = {
    **{"vocab_size": 32, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "rope_theta": 5e4},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0},
}
CONFIG = """
from transformers import PretrainedConfig


class BorrowingConfig(PretrainedConfig):
    model_type = "borrowing"

    def __init__(self, rope_theta=1e4, rope_scaling=None, tie_word_embeddings=False, **kwargs):
        self.rope_theta, self.rope_scaling = rope_theta, rope_scaling
        self.hidden_act, self.rms_norm_eps, self.initializer_range = "silu", 1e-6, 0.02
        self.attention_bias, self.mlp_bias, self.attention_dropout, self.pretraining_tp = False, False, 0.0, 1
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)
"""
ATTENTION = """
import torch
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_attn_mask_utils import _prepare_4d_causal_attention_mask
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaFlashAttention2, LlamaMLP, LlamaRMSNorm

from .configuration_borrowing import BorrowingConfig

KINDS = {"eager": LlamaAttention, "sdpa": LlamaAttention, "flash_attention_2": LlamaFlashAttention2}


class Layer(nn.Module):
    def __init__(self, config, layer_idx):
        super().__init__()
        self.self_attn = KINDS[config._attn_implementation](config, layer_idx)
        self.mlp = LlamaMLP(config)
        self.input_layernorm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(self, hidden_states, attention_mask, position_ids, past_key_value):
        residual = hidden_states
        hidden_states, _, present = self.self_attn(
            hidden_states=self.input_layernorm(hidden_states),
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_value=past_key_value,
        )
        hidden_states = residual + hidden_states
        return hidden_states + self.mlp(self.post_attention_layernorm(hidden_states)), present


class Inner(PreTrainedModel):
    config_class = BorrowingConfig
    base_model_prefix = "model"
    _supports_sdpa = True

    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([Layer(config, index) for index in range(config.num_hidden_layers)])
        self.norm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_input_embeddings(self):
        return self.embed_tokens

    def forward(self, input_ids, attention_mask):
        hidden_states = self.embed_tokens(input_ids)
        position_ids = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)
        mask = _prepare_4d_causal_attention_mask(attention_mask, input_ids.shape, hidden_states, 0)
        for layer in self.layers:
            hidden_states, _ = layer(hidden_states, mask, position_ids, None)
        return self.norm(hidden_states)


class Model(PreTrainedModel, GenerationMixin):
    config_class = BorrowingConfig
    base_model_prefix = "model"
    _supports_sdpa = True

    def __init__(self, config):
        super().__init__(config)
        self.model = Inner(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_input_embeddings(self):
        return self.model.embed_tokens

    def get_output_embeddings(self):
        return self.lm_head

    def forward(self, input_ids, attention_mask=None, **kwargs):
        return CausalLMOutputWithPast(logits=self.lm_head(self.model(input_ids, attention_mask)))
"""
INHERITED = """
from transformers import LlamaForCausalLM, LlamaModel
from transformers.modeling_attn_mask_utils import _prepare_4d_causal_attention_mask
from transformers.modeling_outputs import BaseModelOutputWithPast

from .configuration_borrowing import BorrowingConfig


class Inner(LlamaModel):
    config_class = BorrowingConfig

    def forward(self, input_ids=None, attention_mask=None, position_ids=None, past_key_values=None, **kwargs):
        hidden_states = self.embed_tokens(input_ids)
        position_ids = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)
        mask = _prepare_4d_causal_attention_mask(attention_mask, input_ids.shape, hidden_states, 0)
        for decoder_layer in self.layers:
            layer_outputs = decoder_layer(
                hidden_states, attention_mask=mask, position_ids=position_ids, past_key_value=past_key_values
            )
            hidden_states = layer_outputs[0]
        return BaseModelOutputWithPast(last_hidden_state=self.norm(hidden_states))


class Model(LlamaForCausalLM):
    config_class = BorrowingConfig

    def __init__(self, config):
        super().__init__(config)
        self.model = Inner(config)
        self.post_init()
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A modules cache of its own, of which nothing stays imported."""
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers_modules"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """The library's own model, its folder, and what it answers where nothing is padding."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=False)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.3)
    folder = tmp_path_factory.mktemp("llama")
    model.save_pretrained(folder)
    return folder, model, _answers(model)


def _answers(model: Any) -> Any:
    import torch

    ids = torch.arange(1, 17).reshape(2, 8)
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    with torch.no_grad():
        return model(ids, attention_mask=mask).logits[mask.bool()]


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("code", [ATTENTION, INHERITED], ids=["attention", "layers"])
def test_rewritten_it_answers_as_the_library(
    llama: tuple[Path, Any, Any], code: str, implementation: str, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder, _, expected = llama
    repository = tmp_path / "borrowing"
    repository.mkdir()
    (repository / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (repository / "configuration_borrowing.py").write_text(rewrite(CONFIG).text, "utf-8")
    (repository / "modeling_borrowing.py").write_text(rewrite(code).text, "utf-8")
    mapping = {"AutoConfig": "BorrowingConfig", "AutoModelForCausalLM": "Model"}
    homes = {"AutoConfig": "configuration_borrowing", "AutoModelForCausalLM": "modeling_borrowing"}
    auto_map = {kind: f"{homes[kind]}.{name}" for kind, name in mapping.items()}
    config = {"model_type": "borrowing", "architectures": ["Model"], "auto_map": auto_map, **SIZES}
    (repository / "config.json").write_text(json.dumps(config), "utf-8")
    model = AutoModelForCausalLM.from_pretrained(
        repository, trust_remote_code=True, attn_implementation=implementation
    ).eval()
    assert "transformers_modules" in type(model).__module__
    torch.testing.assert_close(_answers(model), expected, atol=2e-5, rtol=1e-4)
