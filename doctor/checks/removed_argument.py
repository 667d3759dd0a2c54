"""The file hands over an argument that the release no longer takes.

Why it matters: `TypeError: TrainingArguments.__init__() got an unexpected keyword argument 'evaluation_strategy'`,
before anything is trained.  Some fail later, or in silence: a field that a subclass of TrainingArguments declares
again (`warmup_ratio`) is accepted and has no effect; `use_auth_token` of a tokenizer is swallowed.  Remote code that
builds on the library's own classes stops likewise: `LlamaRotaryEmbedding.__init__() got an unexpected keyword argument
'base'`.  What each function took is read from the releases' own files.

What to do: `doctor fix` writes what every release of the matrix takes, with the same meaning.  Where there is no such
spelling the remedy says what to write.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Literal

from doctor import signatures
from doctor.calls import refused
from doctor.code import OURS, Code
from doctor.model import Facts, Finding, Package, Remedy, Severity, Source, source_check
from doctor.releases import LAST, Life, Minor
from doctor.script import MENTIONED, Argument, script_of
from doctor.spelling import remote_code

Way = Literal["gives", "reads", "declares", "takes", "passes"]
KINDS: dict[Way, str] = {"reads": "setting", "declares": "field", "takes": "setting", "passes": "option"}
INSTEAD = {
    "adafactor": 'write `optim="adafactor"`',
    "additional_special_tokens": "write `extra_special_tokens`",
    "dispatch_batches": 'write `accelerator_config={"dispatch_batches": ...}`',
    "dtype": "write `torch_dtype`, which every release takes",
    "eval_strategy": "write `evaluation_strategy`, or upgrade transformers",
    "evaluation_strategy": "write `eval_strategy`",
    "even_batches": "write `dataloader_config=DataLoaderConfiguration(even_batches=...)`",
    "fp16_backend": "leave it out: accelerate chooses",
    "fsdp_min_num_params": 'write `fsdp_config={"min_num_params": ...}`',
    "fsdp_transformer_layer_cls_to_wrap": 'write `fsdp_config={"transformer_layer_cls_to_wrap": [...]}`',
    "group_by_length": 'from 5.2 on write `train_sampling_strategy="group_by_length"`',
    "half_precision_backend": "leave it out: accelerate chooses",
    "include_inputs_for_metrics": 'write `include_for_metrics=["inputs"]`',
    "load_in_4bit": "write `quantization_config=BitsAndBytesConfig(load_in_4bit=True)`",
    "load_in_8bit": "write `quantization_config=BitsAndBytesConfig(load_in_8bit=True)`",
    "logging_dir": "set the variable TENSORBOARD_LOGGING_DIR instead",
    "max_prompt_length": "leave it out, and shorten the prompts of the data set",
    "max_seq_length": "write `max_length`",
    "model_path": "write `resume_from_checkpoint`",
    "no_cuda": "write `use_cpu`",
    "organization": "write the repository as `organization/name`",
    "per_gpu_eval_batch_size": "write `per_device_eval_batch_size`",
    "per_gpu_train_batch_size": "write `per_device_train_batch_size`",
    "processing_class": "write `tokenizer`, or upgrade",
    "proxies": "set the variables HTTP_PROXY and HTTPS_PROXY instead",
    "push_to_hub_model_id": "write `hub_model_id`",
    "push_to_hub_organization": "write `hub_model_id` as `organization/name`",
    "push_to_hub_token": "write `hub_token`",
    "replace_additional_special_tokens": "write `replace_extra_special_tokens`",
    "repo_path_or_name": "write `repo_id`",
    "safe_serialization": "leave it out: weights are always saved as safetensors",
    "save_safetensors": "leave it out: weights are always saved as safetensors",
    "split_batches": 'write `accelerator_config={"split_batches": ...}`',
    "tokenizer": "write `processing_class`",
    "torchdynamo": "write `torch_compile_backend`",
    "tpu_num_cores": "set the variable TPU_NUM_CORES instead",
    "use_auth_token": "write `token`",
    "use_flash_attention_2": 'write `attn_implementation="flash_attention_2"`',
    "use_liger": "write `use_liger_kernel`",
    "use_seedable_sampler": "write `dataloader_config=DataLoaderConfiguration(use_seedable_sampler=...)`",
    "warmup_ratio": "write the steps as `warmup_steps`; from 5.0 on a value below 1 is a ratio there",
}
VALUES = {("optim", "adamw_hf"): (Life("-4.49"), 'write `optim="adamw_torch"`, the same with torch')}
"""Values that a release no longer knows."""
CONFIGURED = {
    "SFTTrainer": "SFTConfig", "DPOTrainer": "DPOConfig", "KTOTrainer": "KTOConfig", "RewardTrainer": "RewardConfig",
    "ORPOTrainer": "ORPOConfig", "CPOTrainer": "CPOConfig", "PPOTrainer": "PPOConfig", "GRPOTrainer": "GRPOConfig",
}  # fmt: skip
"""Trainers of trl whose own arguments moved into a configuration."""
HARMLESS = frozenset(
    {
        "datasets.load_dataset",
        "transformers.PreTrainedConfig.from_pretrained",
        "transformers.PreTrainedModel.push_to_hub",
        "transformers.PreTrainedModel.save_pretrained",
    }
)
"""Take any other keyword without an error; `token` and `use_auth_token` still matter there."""


def _facts(text: str, version: str = "5.23.0", **packages: str) -> Facts:
    installed = {"transformers": version, **packages}
    return Facts(
        sources=(Source("train.py", "script", text),), packages={n: Package(n, v) for n, v in installed.items()}
    )


ARGUMENTS = "from transformers import TrainingArguments\n"
CROP = "from transformers.image_transforms import center_crop as crop\n"
ROTARY = "from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding\n"
REMOTE = re.compile(rb"nn\.Module|PreTrained|Pretrained|transformers\.(?:models|image_|masking|modeling)")
"""What is in a file of remote code that calls what is not a script's to call."""


@source_check(
    "script",
    Severity.ERROR,
    needles=MENTIONED,
    confirm=lambda data: REMOTE.search(data) or _names_something(data),
    passes=[
        _facts(ARGUMENTS + "TrainingArguments('out', eval_strategy='steps', warmup_steps=10)"),
        _facts("from mine import TrainingArguments\nTrainingArguments('out', evaluation_strategy='steps')"),
        _facts(ARGUMENTS + "TrainingArguments('out', eval_strategy='no')", "4.47.1"),
        _facts("from unsloth import FastLanguageModel\nFastLanguageModel.from_pretrained('m', load_in_4bit=True)"),
        _facts(ARGUMENTS + "a = {'no_cuda': True}\nprint(a)\nTrainingArguments('out')"),
        _facts("from trl import SFTConfig\nSFTConfig('out', packing=True)", "4.47.1", trl="0.12.2"),
        _facts("from transformers import FlaxAutoModel as A\nA.from_pretrained('m', dtype=jnp.float16)", "4.47.1"),
        _facts("from datasets import Sequence as S\nS(feature=value, length=2)", datasets="5.0.1"),
        remote_code(CROP + "image = crop(image, size, data_format=None)"),
        remote_code(ROTARY + "rotary = LlamaRotaryEmbedding(config=config)"),
        remote_code(ROTARY + "rotary = LlamaRotaryEmbedding(*sizes, **more)"),
        remote_code("from mine.modeling import LlamaRotaryEmbedding\nrotary = LlamaRotaryEmbedding(64, base=1e4)"),
    ],
    fails=[
        _facts(ARGUMENTS + "TrainingArguments('out', evaluation_strategy='steps')"),
        _facts(ARGUMENTS + "TrainingArguments('out', evaluation_strategy='steps')", "4.47.1"),
        _facts(ARGUMENTS + "kw = dict(no_cuda=True)\nif 1: kw['warmup_ratio'] = 0.1\nTrainingArguments('out', **kw)"),
        _facts("import transformers as tf\nclass A(tf.TrainingArguments):\n    warmup_ratio: float = 0.03"),
        _facts("from transformers import Trainer\nclass T(Trainer):\n    pass\nT(model, args, tokenizer=tok)"),
        _facts("from transformers import AutoModel as A\nA.from_pretrained('m', load_in_4bit=True)"),
        _facts("from transformers import AutoConfig as A\nA.from_pretrained('m', use_auth_token=t)"),
        _facts(
            "from transformers import Trainer\nclass T(Trainer):\n    def f(self): return self.args.tpu_metrics_debug"
        ),
        _facts("from trl import SFTTrainer as S\nS(model, max_seq_length=512)"),
        _facts(ARGUMENTS + "p.add_argument('--no_cuda')\nTrainingArguments(**vars(p.parse_args()))"),
        _facts(ARGUMENTS + "@dataclass\nclass C:\n    no_cuda: bool = True\nc = C()\nTrainingArguments(**asdict(c))"),
        _facts("from huggingface_hub import hf_hub_download\nhf_hub_download('a', 'b', resume_download=True)"),
        remote_code(CROP + "image = crop(image, size, return_numpy=True)"),
        remote_code(ROTARY + "rotary = LlamaRotaryEmbedding(64, max_position_embeddings=2048, base=1e4)", "5.0.0"),
        remote_code(ROTARY + "rotary = LlamaRotaryEmbedding(64, max_position_embeddings=2048)", "4.47.1"),
    ],
)
def removed_argument(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find keywords, fields and attributes that the judged release, or a later one, does not take."""
    yield from refused(code, facts)
    if code.source.kind == "remote-code" or not _names_something(code.text.encode("utf-8", "surrogatepass")):
        return
    script = script_of(code.tree)
    ways: list[tuple[Way, Iterator[Argument]]] = [
        ("gives", script.arguments()),
        ("declares", script.fields()),
        ("reads", script.reads()),
        ("takes", script.handed_to_callbacks()),
        ("passes", script.through_namespaces()),
    ]
    seen: set[tuple[str, int, int]] = set()
    for way, found in ways:
        for argument in found:
            place = argument.name, getattr(argument.node, "lineno", 0), getattr(argument.node, "col_offset", 0)
            if place in seen or _excused(code, argument, way):
                continue
            seen.add(place)
            if (answer := _judge(argument, way, facts) or _value(argument, facts)) is not None:
                message, severity, construct = answer
                remedy = Remedy("advice", _instead(argument, facts))
                yield Finding(message, remedy, code.location(argument.node), construct, severity=severity)


def _names_something(data: bytes) -> bool:
    """Whether a file names an argument, or a value, that some release does not take."""
    words = set(re.findall(rb"\w{4,}", data))
    if any(word.endswith(b"Trainer") for word in words):
        words.add(b"TrainingArguments")  # a trainer has them as its `args`
    return signatures.named(words) or any(value.encode() in words for _, value in VALUES)


def _excused(code: Code, argument: Argument, way: Way) -> bool:
    if way != "declares" and (argument.name in argument.callee.own or "*" in argument.callee.own):
        return True
    around = code.class_of(argument.node) if way == "declares" else None
    if around and any(isinstance(n, ast.Name) and n.id.startswith(OURS) for n in ast.walk(around)):
        return True
    caught = "AttributeError" if way == "reads" else "TypeError"
    if any(
        isinstance(p, ast.ExceptHandler) and p.type and caught in ast.unparse(p.type)
        for p in code.parents(argument.node)
    ):
        return True  # the author's own answer to a release that does not take the other name
    return code.ours(argument.node) or code.guarded(argument.node, caught) or _chosen(code, argument)


def _chosen(code: Code, argument: Argument) -> bool:
    """Whether the script asks the release, or the class, before it hands the argument over."""
    if code.tested(argument.node, argument.name):
        return True
    for parent in code.parents(argument.node):
        if isinstance(parent, ast.If | ast.IfExp):
            text = ast.unparse(parent.test)
            if f"'{argument.name}'" in text or "signature" in text or "fields" in text:
                return True
    return False


def _value(argument: Argument, facts: Facts) -> tuple[str, Severity, str] | None:
    """The same of an argument whose value is gone."""
    value = getattr(argument.value, "value", None)
    known = VALUES.get((argument.name, value)) if isinstance(value, str) else None
    release = signatures.judged("transformers", facts)
    if known is None or (release.minor in known[0] and not known[0].lost(release.minor)):
        return None
    severity = Severity.WARNING if release.minor in known[0] else Severity.ERROR
    last = known[0].ended(LAST)
    said = f'{argument.name}="{value}" is the name of something that releases after {_text(last or LAST)} do not have'
    return said, severity, f"value:{value}"


def _judge(argument: Argument, way: Way, facts: Facts) -> tuple[str, Severity, str] | None:
    """The message, the severity and the construct; None where the release takes the argument."""
    known = signatures.argument(argument.callee.name, argument.name)
    if known is None or _swallowed(argument) or _gone(argument.callee.name, facts):
        return None
    decides, life = known
    library = decides.partition(".")[0]
    construct = f"argument:{decides}.{argument.name}" if way == "gives" else f"{KINDS[way]}:{argument.name}"
    release = signatures.judged(library, facts)
    owner, name = argument.callee.name.rpartition(".")[2], argument.name
    said = {
        "gives": f"{owner} is given {name}",
        "reads": f"{_spelled(argument)} is used",
        "declares": f"declares {name}",
        "takes": f"a callback asks for {name}",
        "passes": f"{owner} is given {name} with all options",
    }
    if release.minor in life:
        lost = signatures.lost(library, life, release.minor)
        if lost is None or (library != "transformers" and not release.installed):
            return None
        return f"{said[way]}: {release} takes it, {_text(lost)} does not", Severity.WARNING, construct
    last, first = life.ended(release.minor), life.begins(release.minor)
    known_last = f": the last release that does is {_text(last)}" if last else ""
    since = known_last or (f": it came with {_text(first)}" if first else "")
    assumed = "" if release.installed or library == "transformers" else " (the newest known)"
    effects = {
        "gives": "does not take",
        "passes": "does not take",
        "reads": "does not have",
        "declares": "does nothing with",
    }
    effect = effects.get(way, "does not hand over")
    mild = (way == "declares" and argument.name not in INSTEAD) or argument.name == "safe_serialization"
    severity = Severity.WARNING if mild else Severity.ERROR
    return f"{said[way]}, which {release}{assumed} {effect}{since}", severity, construct


def _swallowed(argument: Argument) -> bool:
    """Whether the release takes the keyword without an error, and without another outcome."""
    if argument.name == "safe_serialization":  # peft's models take it to this day
        return getattr(argument.value, "value", None) is not False
    return argument.callee.name in HARMLESS and argument.name not in ("use_auth_token", "token")


def _gone(callee: str, facts: Facts) -> bool:
    """Whether the callee itself is gone, which removed-import says."""
    library, _, name = callee.partition(".")
    life = signatures.imported(library, name)
    return life is not None and signatures.judged(library, facts).minor not in life


def _spelled(argument: Argument) -> str:
    return ast.unparse(argument.node) if isinstance(argument.node, ast.Attribute) else argument.name


def _instead(argument: Argument, facts: Facts) -> str:
    owner = argument.callee.name.rpartition(".")[2]
    if known := VALUES.get((argument.name, getattr(argument.value, "value", None))):  # type: ignore[arg-type]
        return known[1]
    if owner in CONFIGURED and argument.name not in ("tokenizer", "processing_class"):
        name = "max_length" if argument.name == "max_seq_length" else argument.name
        return f"write it in the configuration: `args={CONFIGURED[owner]}(..., {name}=...)`"
    return INSTEAD.get(argument.name) or f"{_newer(argument, facts)}leave `{argument.name}` out"


def _newer(argument: Argument, facts: Facts) -> str:
    """The library to upgrade, where the argument came after the judged release; without it the run is another."""
    known = signatures.argument(argument.callee.name, argument.name)
    if known is None:
        return ""
    library = known[0].partition(".")[0]
    judged = signatures.judged(library, facts).minor
    first = None if judged in known[1] or known[1].ended(judged) else known[1].begins(judged)
    return f"upgrade {library} to {_text(first)} or newer, or " if first else ""


def _text(release: Minor) -> str:
    return f"{release[0]}.{release[1]}"
