"""A command line, or a configuration, hands over an argument that the release no longer takes.

Why it matters: `Some specified arguments are not used by the HfArgumentParser: ['--evaluation_strategy', 'steps']`,
after the job was queued; a YAML that LLaMA-Factory or trl turns into TrainingArguments stops the same way.  Axolotl has
keys of its own and renames the old ones itself; nothing is said of its configurations.

What to do: `doctor fix` renames what has another name.  For the rest the remedy says what to write.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor import signatures
from doctor.code import Code
from doctor.model import Facts, Finding, Location, Package, Remedy, Severity, Source, source_check

RENAMED = {
    "evaluation_strategy": "eval_strategy",
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "push_to_hub_token": "hub_token",
    "push_to_hub_model_id": "hub_model_id",
    "torchdynamo": "torch_compile_backend",
}
GONE = {
    "overwrite_output_dir": "leave it out: the Trainer never read it",
    "save_safetensors": "leave it out: weights are always saved as safetensors",
    "fp16_backend": "leave it out: accelerate chooses",
    "half_precision_backend": "leave it out: accelerate chooses",
    "fp16_opt_level": "leave it out: it was for apex",
    "use_mps_device": "leave it out: mps is used where it is",
    "include_inputs_for_metrics": "write `include_for_metrics inputs`",
    "fsdp_transformer_layer_cls_to_wrap": "write it in `fsdp_config`",
    "fsdp_min_num_params": "write `min_num_params` in `fsdp_config`",
    "dispatch_batches": "write it in `accelerator_config`",
}
SHARED = {
    "warmup_ratio": "from 5.15 on write `warmup_steps` with a value below 1",
    "group_by_length": "from 5.2 on write `train_sampling_strategy group_by_length`",
    "logging_dir": "set the variable TENSORBOARD_LOGGING_DIR instead",
}
"""Names that scripts give to arguments of their own too: found where the command's script parses TrainingArguments."""
NAMES = "|".join((*RENAMED, *GONE, *SHARED))
FLAG = re.compile(rf"--({NAMES.replace('_', '[_-]')})(?![\w-])")
KEY = re.compile(rf"^[ \t]*({NAMES})(?=:)")
COMMAND = re.compile(r"\b(?:python3?|torchrun|deepspeed|accelerate|launch|run)\b[^#\n]*?([\w./-]+\.py)\b")
TRAINING = re.compile(r"(?m)^[ \t]*(per_device_train_batch_size|num_train_epochs|output_dir|learning_rate|batch_size):")
"""A YAML file that configures a training run has one of these."""
AXOLOTL = re.compile(r"(?m)^(?:base_model|micro_batch_size|sequence_len):")
"""What only a configuration of Axolotl has; it takes its keys itself and hands on what the release takes."""
FACTORY = re.compile(r"(?m)^(?:stage|finetuning_type|cutoff_len):")
FACTORYS_OWN = ("overwrite_output_dir",)
"""What LLaMA-Factory declares itself, for all releases."""


def _facts(text: str, name: str = "run.sh", script: str = "", version: str = "5.23.0") -> Facts:
    sources = [Source(name, "text", text), *([Source("train.py", "script", script)] if script else [])]
    return Facts(sources=tuple(sources), packages={"transformers": Package("transformers", version)})


PARSER = "parser = HfArgumentParser(TrainingArguments)"


@source_check(
    "script",
    Severity.ERROR,
    needles=[f"{name}".encode() for name in (*RENAMED, *GONE, *SHARED)]
    + [name.replace("_", "-").encode() for name in (*RENAMED, *GONE, *SHARED) if "_" in name],
    kinds=("text",),
    passes=[
        _facts("python train.py --eval_strategy steps --warmup_ratio 0.1"),
        _facts("python train.py --no_cuda", script="p = ArgumentParser()\np.add_argument('--no_cuda')"),
        _facts("# python train.py --evaluation_strategy steps"),
        _facts("base_model: llama\nlearning_rate: 1e-4\nwarmup_ratio: 0.1\ngroup_by_length: false", "axolotl.yml"),
        _facts("stage: sft\noutput_dir: saves\noverwrite_output_dir: true", "llama3_lora_sft.yaml"),
        _facts("services:\n  evaluation_strategy: canary", "deploy.yaml"),
    ],
    fails=[
        _facts("python train.py --evaluation_strategy steps"),
        _facts("torchrun train.py \\n  --warmup_ratio 0.1", script=PARSER),
        _facts("stage: sft\nlearning_rate: 1e-4\nevaluation_strategy: steps", "llama3_lora_sft.yaml"),
        _facts("model_name_or_path: llama\noutput_dir: out\noverwrite_output_dir: true", "sft_config.yaml"),
        _facts("python train.py --overwrite-output-dir", version="4.57.6"),
    ],
)
def removed_flag(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find flags and keys of TrainingArguments that the judged release, or a later one, does not take."""
    settings = code.source.path.endswith((".yaml", ".yml"))
    if settings and (AXOLOTL.search(code.text) or not TRAINING.search(code.text)):
        return
    taken = FACTORYS_OWN if settings and FACTORY.search(code.text) else ()
    scripts = [_script(path, code, facts) for path in COMMAND.findall(code.text)]
    parsed = any("HfArgumentParser" in text or "TrlParser" in text for text in scripts)
    for number, line in enumerate(code.lines(), 1):
        for match in KEY.finditer(line) if settings else FLAG.finditer(line.partition("#")[0]):
            name = match[1].replace("-", "_")
            own = any(re.search(rf"add_argument\([^)]*--{name}\b", text) for text in scripts)
            if own or name in taken or (name in SHARED and not (parsed or settings)):
                continue
            place = Location(code.source.path, number, match.start(1) + 1)
            if (finding := _judge(name, match[1], place, facts)) is not None:
                yield finding


def _script(path: str, code: Code, facts: Facts) -> str:
    """The text of the script that a command runs, empty where it was not scanned."""
    ends = "/" + path.removeprefix("./")
    return next((s.text for s in facts.sources if s.text and ("/" + s.path).endswith(ends)), "")


def _judge(name: str, spelled: str, place: Location, facts: Facts) -> Finding | None:
    known = signatures.argument("transformers.TrainingArguments", name)
    if known is None:
        return None
    life, release = known[1], signatures.judged("transformers", facts)
    taken = release.minor in life
    lost = signatures.lost("transformers", life, release.minor) if taken else None
    if taken and lost is None:
        return None
    last = life.ended(release.minor)
    if taken and lost:
        said = f"{name} is handed over: {release} takes it, {lost[0]}.{lost[1]} does not"
    else:
        since = f": the last release that does is {last[0]}.{last[1]}" if last else ""
        said = f"{name} is handed over, which {release} does not take{since}"
    severity = Severity.WARNING if taken else Severity.ERROR
    new = RENAMED.get(name)
    if new is None:
        text = GONE.get(name) or SHARED[name]
        return Finding(said, Remedy("advice", text), place, f"flag:{name}", severity=severity)
    value = new.replace("_", "-") if "-" in spelled else new
    remedy = Remedy("edit", f"write `{value}`", value, safe=True)
    return Finding(said, remedy, place, f"flag:{name}", replaces=spelled, severity=severity)
