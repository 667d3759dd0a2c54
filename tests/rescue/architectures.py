"""The decoder-only models of the corpus and what a tiny configuration of each needs beside the common sizes."""

from __future__ import annotations

from typing import Any

BORDER = 16
"""original_max_position_embeddings of Phi-3's scaled models: longer sequences use the long factors."""
SIZES = {
    64: ("hidden_size", "n_embd", "d_model", "embed_dim"),
    2: ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_key_value_heads", "eos_token_id"),
    4: ("num_attention_heads", "n_head", "n_heads", "attention_heads"),
    128: ("intermediate_size", "n_inner", "ffn_dim", "max_position_embeddings", "n_positions", "max_seq_len"),
    256: ("vocab_size",),
    5000.0: ("rope_theta",),  # not the default: a theta that gets lost shows
    16: ("head_dim",),
    20: ("sliding_window",),  # inside the long input: a cache that forgets shows
    32: ("attention_head_dim",),
    0: ("pad_token_id",),
    1: ("bos_token_id",),
}
"""Value to the arguments of configuration classes that get it."""
MAMBA = {"state_size": 8, "time_step_rank": 4}
HYBRID: dict[str, Any] = {
    **{"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8, "mamba_dt_rank": 4},
    "use_mamba_kernels": False,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2}
LOCAL_EXPERTS = {"num_local_experts": 4}
NEOX = {"rotary_emb_base": 5000}
PHI3 = {"original_max_position_embeddings": 128}
DBRX = {
    "attn_config": {"kv_n_heads": 2, "rope_theta": 5000.0, "clip_qkv": 8.0},
    "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2},
}
FALCON: dict[str, Any] = {
    **{"new_decoder_architecture": False, "multi_query": True, "alibi": False, "ffn_hidden_size": 128}
}
MODELS: dict[str, dict[str, Any]] = {
    "biogpt": {},
    "bloom": {},
    "codegen": {"rotary_dim": 8, "n_ctx": 128},
    "cohere": {},
    "ctrl": {"dff": 128},
    "dbrx": DBRX,
    "falcon": FALCON,
    "falcon_mamba": MAMBA,
    "gemma": {},
    "gemma2": {"query_pre_attn_scalar": 16},
    "glm": {},
    "gpt2": {},
    "gpt_bigcode": {},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 20},
    "gpt_neox": NEOX,
    "gpt_neox_japanese": NEOX,
    "gptj": {"rotary_dim": 8},
    "granite": {},
    "granitemoe": LOCAL_EXPERTS,
    "jamba": {**HYBRID, "expert_layer_period": 2, "expert_layer_offset": 1, "num_experts": 4},
    "jetmoe": {**LOCAL_EXPERTS, "kv_channels": 16, "num_key_value_heads": 2},
    "llama": {},
    "mamba": MAMBA,
    "mamba2": {"num_heads": 8, "head_dim": 16, "state_size": 8, "n_groups": 2, "chunk_size": 8},
    "mistral": {},
    "mixtral": LOCAL_EXPERTS,
    "mpt": {},
    "nemotron": {},
    "olmo": {},
    "olmo2": {},
    "olmoe": EXPERTS,
    "open-llama": {},
    "openai-gpt": {},
    "opt": {"word_embed_proj_dim": 64},
    "persimmon": {},
    "phi": {},
    "phi3": PHI3,
    "phimoe": LOCAL_EXPERTS,
    "qwen2": {"use_sliding_window": False},
    "qwen2_moe": {**EXPERTS, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 64},
    "recurrent_gemma": {"lru_width": 64, "attention_window_size": 20, "num_hidden_layers": 3},
    "rwkv": {"attention_hidden_size": 64, "context_length": 128},
    "stablelm": {},
    "starcoder2": {},
    "xglm": {},
    "zamba": {**HYBRID, "num_hidden_layers": 4, "n_mamba_heads": 2, "layers_block_type": None},
}
"""Model type to the arguments of its own; None takes one away."""
ONE_HEAD_EACH = ("persimmon", "jetmoe")
"""Model types for which the common number of key-value heads means something else."""
FACTORS = {
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7],
    "long_factor": [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5],
}
LONGROPE = {"rope_type": "longrope", **FACTORS}
PARAMETERS = {"rope_theta": 5000.0}
SPELLINGS: dict[str, dict[str, Any]] = {
    "phi3_ropetype_default": {"rope_scaling": {"rope_type": "default"}},
    "phi3_ropeparams_default": {"rope_parameters": {"rope_type": "default", **PARAMETERS}},
    "phi3_su": {"rope_scaling": {"type": "su", **FACTORS}},
    "phi3_longrope": {"rope_scaling": {"type": "longrope", **FACTORS}},
    "phi3_ropetype_longrope": {"rope_scaling": LONGROPE},
    "phi3_both_longrope": {"rope_scaling": {"type": "longrope", **LONGROPE}},
    "phi3_ropeparams_longrope": {
        "rope_parameters": {**LONGROPE, **PARAMETERS, "original_max_position_embeddings": BORDER}
    },
}
"""Phi-3's config.json in other words of RoPE; with `rope_parameters` it has neither `rope_scaling` nor `rope_theta`."""
SUBSET = (
    *("4.36.2/bloom", "4.36.2/mistral", "4.41.2/dbrx", "4.41.2/gemma", "4.41.2/gpt2", "4.41.2/jamba", "4.41.2/mixtral"),
    *("4.41.2/phi3", "4.41.2/phi3_su", "4.41.2/phi3_ropeparams_longrope", "4.41.2/xglm", "4.47.1/falcon"),
    *("4.47.1/gemma2", "4.47.1/llama", "4.47.1/mamba", "4.47.1/phi3_both_longrope", "4.47.1/phimoe"),
    *("4.47.1/recurrent_gemma", "4.47.1/zamba"),
)
"""A few cases that need most of the patches, for every run of the tests."""
