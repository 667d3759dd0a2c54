"""The fault that the demo plants: Phi-3's code of an older release as a model with remote code, and its use."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from pathlib import Path

from doctor.demo.story import Stopped

ORIGIN = "4.44.2"
"""The release whose Phi-3 files are planted."""
REPOSITORY = "someone/phi3"
COMMIT = hashlib.sha1(REPOSITORY.encode(), usedforsecurity=False).hexdigest()
FILES = ("configuration_phi3.py", "modeling_phi3.py")
WEIGHTS = '''"""Random weights in Phi-3's shape, small enough to make in a second."""
import torch, transformers

transformers.logging.set_verbosity_error()
torch.manual_seed(0)
config = transformers.Phi3Config(
    vocab_size=256, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, original_max_position_embeddings=128,
    pad_token_id=0, bos_token_id=1, eos_token_id=2, sliding_window=20, initializer_range=0.15,
)
transformers.Phi3ForCausalLM(config).save_pretrained("made")
'''

USE = f'''"""What a user runs: load the model with its remote code, generate a few tokens."""
import torch, transformers

model = transformers.AutoModelForCausalLM.from_pretrained("{REPOSITORY}", trust_remote_code=True).eval()
ids = torch.arange(3, 27).reshape(2, 12)
tokens = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
assert type(model).__module__.startswith("transformers_modules."), type(model)
print("the remote class loaded and generated", tokens[0, 12:].tolist())
'''

COMPARE = f'''"""The same weights in transformers' own class: the logits must be equal."""
import torch, transformers

transformers.logging.set_verbosity_error()
ids, found = torch.arange(3, 27).reshape(2, 12), []
for remote in (True, False):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        "{REPOSITORY}", trust_remote_code=remote, attn_implementation="eager"
    ).eval()
    assert model.__module__.startswith("transformers_modules.") == remote, model.__module__
    with torch.no_grad():
        found.append(model(ids).logits)
print(float((found[0] - found[1]).abs().max()))
'''

CONFIG = {
    "architectures": ["Phi3ForCausalLM"],
    "auto_map": {
        "AutoConfig": "configuration_phi3.Phi3Config",
        "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
    },
    "model_type": "phi3",
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "original_max_position_embeddings": 128,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-05,
    "sliding_window": 20,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "float32",
    "transformers_version": ORIGIN,
}
"""config.json as the 4k checkpoints of Phi-3 publish it, with small numbers."""


def code(wheel: Path) -> dict[str, str]:
    """Phi-3's two files out of the wheel, as a model repository holds them: imports of the library are absolute."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            texts = {name: archive.read(f"transformers/models/phi3/{name}").decode() for name in FILES}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise Stopped(f"{wheel} is not a wheel of transformers {ORIGIN}: {error}") from error
    return {name: _absolute(text) for name, text in texts.items()}


def _absolute(text: str) -> str:
    """`from ...utils import x` of a file in transformers/models/phi3, for a file outside of it.

    >>> _absolute("from ...utils import x\\nfrom .configuration_phi3 import y\\n")
    'from transformers.utils import x\\nfrom .configuration_phi3 import y\\n'
    """
    return re.sub(r"^(\s*from) \.\.\.", r"\1 transformers.", text, flags=re.MULTILINE)


def publish(snapshot: Path, files: dict[str, bytes]) -> None:
    """Put files where huggingface-hub keeps a downloaded commit: blobs, and links to them."""
    repository = snapshot.parents[1]
    for folder in ("blobs", "refs"):
        (repository / folder).mkdir()
    (repository / "refs/main").write_text(snapshot.name, "utf-8")
    for name, data in files.items():
        blob = repository / "blobs" / hashlib.sha256(data).hexdigest()
        blob.write_bytes(data)
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))
