"""Builds Phi-3 repositories from an installed transformers release, with what the model answers there.

Run by `table` with the release of origin on PYTHONPATH: `python corpus.py FOLDER`.  Each spelling of the RoPE scaling
in config.json becomes a folder that holds one repository `phi3_*/` (the release's own files as remote code, tiny random
weights) and `reference.safetensors` (inputs, logits, greedy tokens, losses).  Nothing of transformers is kept in this
project.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

BORDER = 16
"""original_max_position_embeddings of the scaled models: longer sequences use the long factors."""
NEW_TOKENS = 8
STEPS = 4
TINY = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "original_max_position_embeddings": 128,
    "rope_theta": 5000.0,  # not the default: a theta that gets lost shows
    "sliding_window": 20,  # inside the long input: a cache that forgets shows
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FACTORS = {
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7],
    "long_factor": [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5],
}
LONGROPE = {"rope_type": "longrope", **FACTORS}
PARAMETERS = {"rope_theta": TINY["rope_theta"]}
SPELLINGS: dict[str, dict[str, Any]] = {
    "null": {"rope_scaling": None},
    "default": {"rope_scaling": {"rope_type": "default"}},
    "parameters-default": {"rope_parameters": {"rope_type": "default", **PARAMETERS}},
    "su": {"rope_scaling": {"type": "su", **FACTORS}},
    "longrope": {"rope_scaling": {"type": "longrope", **FACTORS}},
    "rope-type-longrope": {"rope_scaling": LONGROPE},
    "both-longrope": {"rope_scaling": {"type": "longrope", **LONGROPE}},
    "parameters-longrope": {"rope_parameters": {**LONGROPE, **PARAMETERS, "original_max_position_embeddings": BORDER}},
}
"""What config.json says of RoPE; with `rope_parameters` it has neither `rope_scaling` nor `rope_theta`."""


def inputs() -> dict[str, Any]:
    """Three batches of token ids with their attention masks."""
    import torch

    numbers = torch.Generator().manual_seed(7)
    short = torch.randint(3, TINY["vocab_size"], (2, 10), generator=numbers)  # type: ignore[call-overload]
    long = torch.randint(3, TINY["vocab_size"], (1, 24), generator=numbers)  # type: ignore[call-overload]
    padded, seen = short.clone(), torch.ones_like(short)
    padded[0, :4] = seen[0, :4] = 0
    ones = torch.ones_like
    return {
        "short": short, "short_mask": ones(short),
        "padded": padded, "padded_mask": seen,
        "long": long, "long_mask": ones(long),
    }  # fmt: skip


def greedy(model: Any, ids: Any, mask: Any) -> Any:
    """The tokens the model generates by always taking the likeliest."""
    return model.generate(
        ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False, use_cache=True
    )


def losses(model: Any, ids: Any) -> Any:
    """The loss before each of a few steps of training."""
    import torch

    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    found = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model(ids, attention_mask=torch.ones_like(ids), labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        found.append(loss.detach())
    return torch.stack(found)


def build(folder: Path, spelling: str) -> None:
    """Write one repository and its reference; the repository's name, which becomes a module's, is its own."""
    import torch
    import transformers
    from safetensors.torch import save_file
    from transformers.models.phi3 import configuration_phi3, modeling_phi3

    published = SPELLINGS[spelling]
    scaled = "short_factor" in str(published)
    # The release of origin is asked in its own spelling, whatever config.json will say.
    native = "longrope" if '"longrope"' in inspect.getsource(configuration_phi3) else "su"
    ours = {"rope_scaling": {"type": native, **FACTORS}, "original_max_position_embeddings": BORDER} if scaled else {}
    torch.manual_seed(0)
    model = modeling_phi3.Phi3ForCausalLM(configuration_phi3.Phi3Config(**{**TINY, **ours}))
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape)
            parameter.copy_(noise * 0.15 if parameter.dim() > 1 else 1 + noise * 0.05)
    name = f"phi3_{transformers.__version__}_{spelling}".replace(".", "_").replace("-", "_")
    repository = folder / spelling / name
    model.eval().save_pretrained(repository)
    for module in (configuration_phi3, modeling_phi3):
        source = Path(inspect.getfile(module))
        (repository / source.name).write_text(remote(source.read_text("utf-8")), "utf-8")
    publish(repository / "config.json", published)
    save_file(reference(model), str(folder / spelling / "reference.safetensors"))


def remote(source: str) -> str:
    """A file of the library as an author publishes it: imports of the library are absolute."""
    return re.sub(r"^(\s*from )\.\.\.(?=\w)", r"\1transformers.", source, flags=re.MULTILINE)


def publish(path: Path, published: dict[str, Any]) -> None:
    """Make config.json point to the files beside it and spell RoPE as wanted."""
    config = json.loads(path.read_text("utf-8"))
    for name in ("_name_or_path", "rope_scaling", *(("rope_theta",) if "rope_parameters" in published else ())):
        config.pop(name, None)
    config |= published
    config["architectures"] = ["Phi3ForCausalLM"]
    config["auto_map"] = {
        "AutoConfig": "configuration_phi3.Phi3Config",
        "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
    }
    path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def reference(model: Any) -> dict[str, Any]:
    """What the model answers in its release of origin."""
    import torch

    given = inputs()
    answers = dict(given)
    for name in ("short", "padded", "long"):
        ids, mask = given[name], given[f"{name}_mask"]
        with torch.no_grad():
            answers[f"{name}_logits"] = model(ids, attention_mask=mask).logits.float()
            answers[f"{name}_tokens"] = greedy(model, ids, mask)
    answers["losses"] = losses(model, given["short"])
    return {name: tensor.contiguous().clone() for name, tensor in answers.items()}


def main(folder: Path) -> None:
    """Build every spelling; the folder appears whole or not at all."""
    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for spelling in SPELLINGS:
        build(partial, spelling)
    partial.rename(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
