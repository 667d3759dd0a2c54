"""The file imports a name that the transformers release no longer has.

Why it matters: the import fails before anything runs, with `ImportError: cannot import name ...`; for remote code
`from_pretrained` stops there.  Most such names are leftovers that the code never needs on the newer release.

What to do: `doctor fix` guards the imports the catalogue knows and gives a stand-in that does what the name did.
For others: guard the import with `try` / `except ImportError`, or take the class without remote code.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor import releases, signatures
from doctor.code import Code
from doctor.model import Facts, Finding, Location, Package, Remedy, Severity, Source, source_check
from doctor.script import MENTIONED

LIBRARIES = ("transformers", "trl", "peft", "accelerate", "datasets", "huggingface_hub")
FROM = rb"from ((?:" + "|".join(LIBRARIES).encode() + rb")(?:\.[\w.]+)?) import +(\([^)]*\)|(?:\\\r?\n|[^\n])*)"
WHOLE = rb"import ((?:" + "|".join(LIBRARIES).encode() + rb")\.[\w.]+)"


CAUGHT = ("ImportError", "ModuleNotFoundError", "AttributeError")
PLAIN = rb"import (" + "|".join(LIBRARIES).encode() + rb")\b(?!\.)( as (\w+))?"
INSTEAD = {
    "datasets.load_metric": "install `evaluate` and write `evaluate.load(...)`",
    "huggingface_hub.cached_download": "write `hf_hub_download(repo_id, filename)`",
    "huggingface_hub.HfFolder": "write `get_token()` to read a token, `login(token=...)` to store one",
    "huggingface_hub.Repository": "write `HfApi().upload_folder(...)` and `snapshot_download(...)`",
    "huggingface_hub.InferenceApi": "write `InferenceClient`",
    "huggingface_hub.ModelFilter": "give its arguments to `list_models` itself",
    "huggingface_hub.DatasetFilter": "give its arguments to `list_datasets` itself",
    "transformers.AdamW": "write `from torch.optim import AdamW`, with eps=1e-6 and weight_decay=0.0 as it had",
    "transformers.AutoModelWithLMHead": "write the class of the model's kind: `AutoModelForCausalLM`, "
    "`AutoModelForMaskedLM` or `AutoModelForSeq2SeqLM`",
    "transformers.TextDataset": 'write `datasets.load_dataset("text", ...)` and `map`',
    "transformers.LineByLineTextDataset": 'write `datasets.load_dataset("text", ...)` and `map`',
    "trl.AutoModelForCausalLMWithValueHead": "pin `trl<0.29`, or train with GRPOTrainer",
    "trl.PPOTrainer": "pin `trl<0.29`, or train with GRPOTrainer",
    "trl.PPOConfig": "pin `trl<0.29`, or train with GRPOConfig",
}
"""What to write in place of a name."""
ANYWHERE = {
    "ConstantLengthDataset": "write `SFTConfig(packing=True)`",
    "DataCollatorForCompletionOnlyLM": "give SFTTrainer rows of `prompt` and `completion`; or let `doctor fix` write "
    "the class into the file",
    "setup_chat_format": "write `clone_chat_template(model, tokenizer, PATH_OR_ID)`; or let `doctor fix` write the "
    "function into the file",
}
"""The same of names that a library has in several modules."""


def _facts(text: str, version: str = "5.0.0") -> Facts:
    packages = {"transformers": Package("transformers", version)}
    return Facts(sources=(Source("modeling_phi3.py", "remote-code", text),), packages=packages)


def _confirm(data: bytes) -> bool:
    """Whether an import statement takes anything that some release lacks; the file is not parsed for it."""
    for module, names in re.findall(FROM, data):
        origin = module.decode()
        found = re.sub(rb"#[^\n]*", b"", names)
        if any(_life(origin, name.decode()) for name in re.findall(rb"(?<!as )\b[A-Za-z_]\w*", found)):
            return True
    if any(_life(module.decode(), "") for module in re.findall(WHOLE, data)):
        return True
    for library, _, alias in re.findall(PLAIN, data):
        used = set(re.findall(rb"\b" + (alias or library) + rb"\.(\w+)", data))
        if any(_life(library.decode(), name.decode()) for name in used):
            return True
    return False


def _life(module: str, name: str) -> releases.Life | None:
    """The releases of its library in which an import works, None where the tables know nothing against it."""
    if module.partition(".")[0] == "transformers":
        return releases.imported(module, name)
    return signatures.imported(module, name)


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=MENTIONED,
    confirm=_confirm,
    passes=[
        _facts("from transformers.cache_utils import Cache, DynamicCache"),
        _facts("try:\n    from transformers.cache_utils import SlidingWindowCache\nexcept ImportError:\n    pass"),
        _facts("from transformers.cache_utils import SlidingWindowCache", "5.23.0"),
        _facts("import transformers\nif transformers.__version__ < '5':\n    from transformers import HybridCache"),
        _facts("if transformers_lt_4_56:\n    from transformers import HybridCache"),
        _facts("from mine.cache_utils import SlidingWindowCache"),
        _facts("from peft import prepare_model_for_kbit_training\nfrom huggingface_hub import HfApi"),
        _facts("from transformers import LayoutLMTokenizer, LongformerTokenizer"),
    ],
    fails=[
        _facts("from transformers.cache_utils import Cache, SlidingWindowCache"),
        _facts("from transformers.cache_utils import SlidingWindowCache", "4.47.1"),
        _facts("from transformers.onnx import PatchingSpec"),
        _facts("if is_transformers_available():\n    from transformers.onnx import PatchingSpec"),
        _facts("from transformers.utils.import_utils import (\n    is_torch_fx_available,\n)", "5.23.0"),
        _facts("import transformers.deepspeed"),
        _facts("from peft import LoraConfig, prepare_model_for_int8_training"),
        _facts("from huggingface_hub.utils._errors import RepositoryNotFoundError"),
        _facts("from transformers import RetriBertTokenizer"),
    ],
)
def removed_import(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find unguarded imports of names that the judged release, or a later one of the matrix, lacks."""
    for node, module, name, line in _imports(code):
        life = _life(module, name)
        if life is None or code.ours(node) or code.guarded(node, *CAUGHT):
            continue
        if (finding := _judge(life, module, name, facts, line, code.source.kind == "remote-code")) and not code.tested(
            node, name
        ):
            yield finding


def _imports(code: Code) -> Iterator[tuple[ast.AST, str, str, Location]]:
    for origin in code.nodes(ast.ImportFrom):
        if not origin.level and (origin.module or "").partition(".")[0] in LIBRARIES:
            for alias in origin.names:
                yield origin, origin.module or "", alias.name, code.location(alias)
    for plain in code.nodes(ast.Import):
        for alias in plain.names:
            if "." in alias.name and alias.name.partition(".")[0] in LIBRARIES:
                yield plain, alias.name, "", code.location(alias)
    modules = {local for local, full in code.imports.items() if full in LIBRARIES}
    for used in code.nodes(ast.Attribute) if modules else ():
        if isinstance(used.value, ast.Name) and used.value.id in modules:
            yield used, code.imports[used.value.id], used.attr, code.location(used)


def _judge(life: releases.Life, module: str, name: str, facts: Facts, where: Location, remote: bool) -> Finding | None:
    release = signatures.judged(module.partition(".")[0], facts)
    judged = release.minor
    full, construct = (f"{module}.{name}", f"import:{module}.{name}") if name else (module, f"import:{module}")
    if judged in life:
        lost = signatures.lost(release.library, life, judged)
        if lost is None or (release.library != "transformers" and not release.installed):
            return None
        message = f"imports {full}: {release} has it, {_text(lost)} does not"
        return Finding(message, _remedy(full, remote), where, construct, severity=Severity.WARNING)
    last = life.ended(judged)
    first = life.begins(judged)
    if last is not None:
        known = f": the last release with it is {_text(last)}"
    elif first is not None:
        known = f": it came with {_text(first)}"
    else:
        known = ""
    assumed = "" if release.installed or release.library == "transformers" else " (the newest known)"
    return Finding(
        f"imports {full}, which {release}{assumed} does not have{known}", _remedy(full, remote), where, construct
    )


def _remedy(full: str, remote: bool) -> Remedy:
    instead = INSTEAD.get(full) or ANYWHERE.get(full.rpartition(".")[2])
    if instead:
        return Remedy("advice", instead)
    if not remote or full.partition(".")[0] != "transformers":
        return Remedy("advice", "do without it, or guard the import with `try` / `except ImportError`")
    return Remedy("advice", "guard the import with `try` / `except ImportError`, or load the model without remote code")


def _text(release: releases.Minor) -> str:
    return f"{release[0]}.{release[1]}"
