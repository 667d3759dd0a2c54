"""What `doctor export` writes is what was trained: merged as peft merges, read by llama.cpp as by transformers."""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from doctor.cli import main

pytestmark = pytest.mark.live

SHAPE = {
    "vocab_size": 49152, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
}  # fmt: skip
SLIDING = {"head_dim": 32, "sliding_window": 16, "query_pre_attn_scalar": 32}
LLAMA_3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONG = {"short_factor": [1.0 + i / 10 for i in range(8)], "long_factor": [2.0 + i for i in range(8)]}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {"rope_theta": 50000.0, "tie_word_embeddings": True, "attention_bias": True},
    "mistral": {"sliding_window": None, "head_dim": 32},
    "qwen2": {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}},
    "qwen3": {"head_dim": 32},
    "phi3": {},
    "gemma": {"head_dim": 32},
    "gemma2": SLIDING,
    "gemma3_text": SLIDING,
    "llama3": {"rope_theta": 5e5, "rope_scaling": {**LLAMA_3, "original_max_position_embeddings": 64}},
    "longrope": {"original_max_position_embeddings": 64, "rope_scaling": {"type": "longrope", **LONG}},
}
"""Configurations by `model_type`, or by what is special about them."""
TYPES = {"llama3": "llama", "longrope": "phi3"}
PROMPTS = (list(range(100, 112)), list(range(3000, 3100)))
EXACT = 0.02
"""Nats between llama.cpp, whose cache and weights have 16 bits, and transformers in 32."""

Made = Callable[[str], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Small models of random weights, written by this release, with SmolLM2's tokenizer."""
    root = tmp_path_factory.mktemp("models")

    def make(name: str) -> Path:
        import torch
        from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM

        folder = root / name
        if TYPES.get(name, name) not in CONFIG_MAPPING:
            pytest.skip(f"{name} came later than this release")
        if not folder.exists():
            torch.manual_seed(0)
            config = AutoConfig.for_model(TYPES.get(name, name), **{**SHAPE, **KINDS[name]})
            model = AutoModelForCausalLM.from_config(config)
            with torch.no_grad():
                for key, weight in model.named_parameters():
                    weight.add_(torch.randn_like(weight) * 0.1) if weight.ndim == 1 else weight.mul_(
                        2 + 2 * ("embed" not in key)
                    )
            model.to(torch.bfloat16).save_pretrained(folder)
            for file in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(Path(os.environ["SMOLLM2"]) / file, folder)
        return folder

    return make


def load(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.bfloat16).eval()


ADAPTERS: dict[str, dict[str, Any]] = {
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "patterns": {"rank_pattern": {"q_proj": 4}, "alpha_pattern": {"layers.1.mlp.down_proj": 32}, "lora_bias": False},
    "head": {"modules_to_save": ["lm_head"]},
    "both": {"modules_to_save": ["embed_tokens", "lm_head"]},
}


def adapted(base: Path, folder: Path, **settings: Any) -> None:
    """An adapter of random weights."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    config = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, **{"target_modules": "all-linear", **settings})
    model = get_peft_model(load(base), config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.05)
    model.save_pretrained(folder)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ADAPTERS)
def test_merged_as_peft_merges(made: Made, tmp_path: Path, name: str) -> None:
    import torch
    from peft import PeftModel

    base = made("llama")
    adapted(base, tmp_path / "adapter", **ADAPTERS[name])
    assert main(["export", str(tmp_path / "adapter")]) == 0
    theirs = PeftModel.from_pretrained(load(base), tmp_path / "adapter").merge_and_unload().state_dict()
    ours = load(tmp_path / "adapter" / "merged").state_dict()
    assert [key for key in theirs if not torch.equal(theirs[key], ours[key])] == []
    assert theirs.keys() == ours.keys()
    assert not torch.equal(
        ours["model.layers.0.self_attn.q_proj.weight"],
        load(base).state_dict()["model.layers.0.self_attn.q_proj.weight"],
    )


@pytest.mark.filterwarnings("ignore")
def test_trained_embeddings_part_from_the_head_they_were_tied_to(made: Made, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel

    base, ids = made("llama"), torch.tensor([PROMPTS[0]])
    adapted(base, tmp_path / "adapter", target_modules=["q_proj", "embed_tokens"])
    trained = PeftModel.from_pretrained(load(base), tmp_path / "adapter")
    assert main(["export", str(tmp_path / "adapter")]) == 0
    merged = load(tmp_path / "adapter" / "merged")
    with torch.no_grad():
        embedded = trained.base_model.model.model.embed_tokens(ids)
        assert torch.equal(embedded, merged.model.embed_tokens(ids))
        assert torch.allclose(trained(ids).logits, merged(ids).logits, atol=0.02)
    assert not merged.config.tie_word_embeddings
    assert torch.equal(merged.lm_head.weight, load(base).lm_head.weight)


def test_several_files_and_their_index(made: Made, tmp_path: Path) -> None:
    import torch

    from doctor.trainer.export.merge import merge
    from doctor.trainer.export.source import Source

    base = made("qwen2")
    merge(Source("x", base, None, base), tmp_path, shard=1 << 20)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    ours, theirs = load(tmp_path).state_dict(), load(base).state_dict()
    assert all(torch.equal(theirs[key], ours[key]) for key in theirs)


@contextmanager
def served(file: Path) -> Iterator[Callable[..., Any]]:
    """llama.cpp's server for a GGUF: asks it a path with some values."""
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_parallel, settings.n_ctx = str(file), 1, 512
    settings.hostnames, settings.port, settings.ui, settings.verbosity = ["127.0.0.1"], 0, False, -1
    server = xllamacpp.Server(settings)
    address = server.listening_address

    def ask(path: str, **values: Any) -> Any:
        body = json.dumps({"temperature": 0, "top_k": 1, "cache_prompt": False, **values}).encode()
        request = urllib.request.Request(f"{address}/{path}", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    try:
        yield ask
    finally:
        del server


@pytest.mark.parametrize("name", KINDS)
def test_llama_cpp_computes_the_same(made: Made, tmp_path: Path, name: str) -> None:
    import torch

    folder = made(name)
    assert main(["export", str(folder), "--gguf", "f16", "--output", str(tmp_path)]) == 0
    model = load(folder).float()
    with served(tmp_path / f"{name}-f16.gguf") as ask:
        # By the length of its context, not of the text, llama.cpp chooses between longrope's two lists of factors.
        for prompt in PROMPTS[name == "longrope" :]:
            with torch.no_grad():
                expected = torch.log_softmax(model(torch.tensor([prompt])).logits[0, -1], -1)
            [token] = ask("completion", prompt=prompt, n_predict=1, n_probs=5)["completion_probabilities"]
            for found in token["top_logprobs"]:
                assert found["logprob"] == pytest.approx(expected[found["id"]].item(), abs=EXACT)


def test_a_real_model_says_the_same(tmp_path: Path) -> None:
    import torch
    from transformers import AutoTokenizer

    folder = os.environ["SMOLLM2"]
    command = [
        "export",
        folder,
        "--output",
        str(tmp_path),
        "--gguf",
        "f16",
        "--gguf",
        "q8_0",
        "--gguf",
        "q4_0",
        "--ollama",
    ]
    assert main(command) == 0
    tokenizer, model = AutoTokenizer.from_pretrained(folder), load(Path(folder)).float()
    question = [{"role": "user", "content": "Name three colours."}]
    prompt = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(prompt, return_tensors="pt")
    with torch.no_grad():
        answer = model.generate(**inputs, max_new_tokens=24, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        expected = torch.log_softmax(model(**inputs).logits[0, -1], -1)
    stem = Path(folder).name
    with served(tmp_path / f"{stem}-f16.gguf") as ask:
        text = "Hello  world, it's 12345!\n\n\tdéjà vu ☃ 日本語 <|im_start|>user\nx<|im_end|>\n"
        assert (
            ask("tokenize", content=text, add_special=True, parse_special=True)["tokens"]
            == tokenizer(text)["input_ids"]
        )
        found = ask("completion", prompt=prompt, n_predict=24, return_tokens=True)
        assert (
            found["tokens"]
            == [token for token in answer.tolist() if token != tokenizer.eos_token_id][: len(found["tokens"])]
        )
        assert len(found["tokens"]) > 5
    for form, near in (("q8_0", 0.5), ("q4_0", 2.0)):
        with served(tmp_path / f"{stem}-{form}.gguf") as ask:
            [token] = ask("completion", prompt=prompt, n_predict=1, n_probs=1)["completion_probabilities"]
            [best] = token["top_logprobs"]
            assert best["logprob"] == pytest.approx(expected[best["id"]].item(), abs=near)
    assert '{{ "<|im_start|>system\\n" }}' in (tmp_path / "Modelfile").read_text("utf-8")


def test_pieces_with_scores(made: Made, tmp_path: Path) -> None:
    """A tokenizer of the kind of Llama 2, Mistral and Phi-3: pieces, bytes where there is none, a space first."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors, trainers

    folder = tmp_path / "pieces"
    shutil.copytree(made("mistral"), folder)
    made_of = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made_of.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made_of.decoder = decoders.ByteFallback()
    special = [AddedToken(token, special=True, normalized=False) for token in ("<unk>", "<s>", "</s>")]
    letters = [f"<0x{number:02X}>" for number in range(256)]
    words = ["the harbour is grey and the harbour museum is closed", "her brother bakes, her father rests, there there"]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[*special, *letters], show_progress=False)
    made_of.train_from_iterator(words * 5, trainer)
    made_of.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    found = json.loads(made_of.to_str())
    found["added_tokens"] = [token for token in found["added_tokens"] if token["content"] not in letters]
    (folder / "tokenizer.json").write_text(json.dumps(found), "utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    assert main(["export", str(folder), "--gguf", "q8_0", "--output", str(tmp_path)]) == 0
    made_of = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with served(tmp_path / "pieces-q8_0.gguf") as ask:
        for text in ("the other museum is grey", "there, her  father's harbour é ☃\n"):
            assert ask("tokenize", content=text, add_special=True)["tokens"] == made_of.encode(text).ids


def test_what_llama_cpp_does_not_know_is_refused(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(made("llama"), folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "olmo"}), "utf-8")
    assert main(["export", str(folder), "--gguf", "f16", "--output", str(tmp_path / "out")]) == 2
    assert "convert_hf_to_gguf.py" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())
