"""Only what the stack reads, and never a secret."""

from __future__ import annotations

import pytest

from doctor.scan import variables


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "WANDB_API_KEY",
        "HF_SECRET",
        "WANDB_PASSWORD",
        "HF_HUB_TOKEN_V2",
        "NVIDIA_APIKEY",
    ],
)
def test_secrets_are_not_shown(name: str) -> None:
    assert variables.read({name: "abc123"}) == {name: "(set)"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("TRANSFORMERS_CACHE", "/data"),
        ("HF_HOME", ""),
        ("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True"),
        ("USE_TORCH", "1"),
        ("LD_LIBRARY_PATH", "/usr/local/cuda/lib64"),
        ("XDG_CACHE_HOME", "/cache"),
        ("BITSANDBYTES_NOWELCOME", "1"),
    ],
)
def test_what_the_stack_reads_is_shown(name: str, value: str) -> None:
    assert variables.read({name: value}) == {name: value}


@pytest.mark.parametrize("name", ["HOME", "AWS_SECRET_ACCESS_KEY", "EDITOR", "USE_COLOR", "MY_HF_HOME"])
def test_what_it_does_not_read_is_left_out(name: str) -> None:
    assert variables.read({name: "x"}) == {}


def test_a_login_within_an_address_is_not_shown() -> None:
    shown = variables.read(
        {"HF_ENDPOINT": "https://user:pass@mirror.example/hf", "WANDB_BASE_URL": "https://w.example/a@b"}
    )
    assert shown == {"HF_ENDPOINT": "https://(set)@mirror.example/hf", "WANDB_BASE_URL": "https://w.example/a@b"}
