"""`doctor run` with the real transformers of this interpreter: a model folder with remote code of an older release."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

CONFIGURATION = """from transformers.configuration_utils import PretrainedConfig


class TinyConfig(PretrainedConfig):
    model_type = "tiny_of_old"

    def __init__(self, vocab_size=32, hidden_size=16, max_position_embeddings=64, rope_theta=10000.0,
                 rope_scaling=None, **kwargs):
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.max_position_embeddings, self.rope_theta = max_position_embeddings, rope_theta
        self.rope_scaling = rope_scaling
        super().__init__(**kwargs)
"""

MODELING = """import torch
from transformers.cache_utils import Cache, DynamicCache
from transformers.modeling_utils import PreTrainedModel

from .configuration_tiny import TinyConfig


class TinyRotary(torch.nn.Module):
    pass


class TinyModel(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.embed = torch.nn.Linear(config.hidden_size, config.vocab_size)
        if self.config.rope_scaling is None:
            self.rotary = TinyRotary()
        else:
            scaling_type = self.config.rope_scaling["type"]
            if scaling_type == "longrope":
                self.rotary = TinyRotary()
            else:
                raise ValueError(f"Unknown RoPE scaling type {scaling_type}")
        self.post_init()

    def _init_weights(self, module):
        pass

    def forward(self, x, past=None):
        past = DynamicCache() if past is None else past
        return self.embed(x) + past.get_usable_length(x.shape[0])
"""

LOAD = """import os, sys, warnings
warnings.filterwarnings("ignore")
import inspect, torch, transformers
from transformers import AutoModel
transformers.logging.set_verbosity_error()
model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)
assert "_doctor_" in inspect.getsource(type(model))
assert "_doctor_" in inspect.getsource(type(model).forward)
assert type(model).__module__.startswith("transformers_modules.")
sys.stdout.write(f"sum {float(model(torch.ones(1, 16)).sum())}\\n")  # one write: two ranks share the stream
"""

VARIABLES = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The folder of a model with remote code that releases from 4.54 on no longer run."""
    pytest.importorskip("transformers")
    import torch
    from safetensors.torch import save_file

    folder = tmp_path / "tiny-of-old"
    folder.mkdir()
    (folder / "configuration_tiny.py").write_text(CONFIGURATION)
    (folder / "modeling_tiny.py").write_text(MODELING)
    config = {"model_type": "tiny_of_old", "architectures": ["TinyModel"], "vocab_size": 32, "hidden_size": 16}
    names = {"AutoConfig": "configuration_tiny.TinyConfig", "AutoModel": "modeling_tiny.TinyModel"}
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": names}))
    weights = {"embed.weight": torch.ones(32, 16), "embed.bias": torch.zeros(32)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (tmp_path / "load.py").write_text(LOAD)
    return folder


def doctor_run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    environment = {
        **kept,
        "HOME": str(root),
        "HF_HOME": str(root / "hf"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "DOCTOR_CACHE_DIR": str(root / "cache"),
    }
    call = "import sys; from doctor.live import run; sys.exit(run(sys.argv[1:], {}))"
    return subprocess.run(
        [sys.executable, "-c", call, *command], env=environment, cwd=root, capture_output=True, text=True, timeout=300
    )


def sources(root: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in (root / "hf").rglob("*.py")}


def test_a_local_folder_loads(model, tmp_path):
    done = doctor_run(tmp_path, sys.executable, "load.py", str(model))
    assert done.stdout == "sum 512.0\n", done.stderr
    assert "doctor: patched modeling_tiny.py in memory" in done.stderr
    assert (model / "modeling_tiny.py").read_text() == MODELING
    assert {text for name, text in sources(tmp_path).items() if "modeling_tiny" in name} == {MODELING.encode()}


def test_a_hub_snapshot_loads(model, tmp_path):
    repository = tmp_path / "hf/hub/models--someone--tiny-of-old"
    snapshot = repository / "snapshots" / ("0123456789" * 4)
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(snapshot.name)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for file in model.iterdir():
        blob = repository / "blobs" / file.name
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(blob)
    done = doctor_run(tmp_path, sys.executable, "load.py", "someone/tiny-of-old")
    assert done.stdout == "sum 512.0\n", done.stderr
    assert (repository / "blobs/modeling_tiny.py").read_text() == MODELING


def test_a_package_that_the_code_needs_is_still_demanded(model, tmp_path):
    file = model / "modeling_tiny.py"
    file.write_text("import package_nobody_has\n" + MODELING)
    done = doctor_run(tmp_path, sys.executable, "load.py", str(model))
    assert "This modeling file requires the following packages" in done.stderr


@pytest.mark.parametrize("launcher", ["torch.distributed.run", "accelerate.commands.launch"])
def test_two_ranks(model, tmp_path, launcher):
    if importlib.util.find_spec(launcher.partition(".")[0]) is None:
        pytest.skip(f"{launcher.partition('.')[0]} is not installed")
    options = ["--nproc_per_node", "2"] if launcher.startswith("torch") else ["--multi_gpu", "--num_processes", "2"]
    done = doctor_run(tmp_path, sys.executable, "-m", launcher, *options, "load.py", str(model))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("sum 512.0") == 2
    assert done.stderr.count("doctor: patched modeling_tiny.py") == 1
