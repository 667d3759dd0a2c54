"""A script or a command line trains in bfloat16, which the GPU has no hardware for.

Why it matters: before capability 8.0 (GTX 16, RTX 20, T4, V100) torch emulates bfloat16 without a word: training is
several times slower than in float16, and some kernels refuse it.

What to do: write `fp16=True` for `bf16=True`, and `torch.float16` for the type that 4-bit weights are computed in.

Reference: https://docs.nvidia.com/cuda/cuda-c-programming-guide/#arithmetic-instructions
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Gpu, Location, Machine, Remedy, Severity, Source, source_check

AMPERE = (8, 0)
INSTEAD = {
    "bf16": "fp16=True",
    "bf16_full_eval": "fp16_full_eval=True",
    "bnb_4bit_compute_dtype": "bnb_4bit_compute_dtype=torch.float16",
}
LINE = re.compile(r"(?P<flag>(?:^|\s)--bf16\b)(?![= ]+(?i:false|no|0)\b)|^\s*(?P<key>bf16):\s*[tT]rue\s*$")
"""The flag of a command line, or the key of a training configuration."""


def _facts(text: str, capability: str | None, path: str = "train.py") -> Facts:
    gpus = (Gpu("Card", 4 << 30, 3 << 30, capability),)
    source = Source(path, "script" if path.endswith(".py") else "text", text)
    return Facts(machine=Machine(gpus=gpus, backend="cuda"), sources=(source,))


@source_check(
    "gpu",
    Severity.WARNING,
    needles=[b"bf16=True", b"bf16 = True", b"bf16_full_eval", b"bfloat16", b" --bf16", b"bf16: t", b"bf16: T"],
    kinds=("script", "notebook", "text"),
    passes=[
        _facts("TrainingArguments(bf16=True)", "8.0"),
        _facts("TrainingArguments(bf16=True)", None),
        _facts("TrainingArguments(bf16=False, fp16=True)", "7.5"),
        _facts("TrainingArguments(bf16=torch.cuda.get_device_capability() >= (8, 0))", "7.5"),
        _facts("if torch.cuda.is_bf16_supported(False):\n    args = TrainingArguments(bf16=True)", "7.5"),
        _facts("python train.py --bf16 False", "7.5", "run.sh"),
        _facts("# python train.py --bf16", "7.5", "run.sh"),
    ],
    fails=[
        _facts("args = TrainingArguments(output_dir='out', bf16=True)", "7.5"),
        _facts("BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)", "7.0"),
        _facts("BitsAndBytesConfig(bnb_4bit_compute_dtype='bfloat16')", "7.5"),
        _facts("torchrun train.py --bf16 True --tf32 True", "7.5", "run.sh"),
        _facts("bf16: true\nlora_r: 8", "6.1", "llama3_lora.yaml"),
    ],
)
def bf16_on_older_gpu(code: Code, facts: Facts) -> Iterator[Finding]:
    """Compare the precision that a file asks for with what the newest GPU has."""
    known = [(tuple(map(int, gpu.capability.split("."))), gpu) for gpu in facts.machine.gpus if gpu.capability]
    newest, gpu = max(known, key=lambda pair: pair[0], default=(AMPERE, None))
    if gpu is None or newest >= AMPERE:
        return
    for said, instead, place in _told(code) if code.source.kind == "text" else _written(code):
        message = f"{said}, and {gpu.name} (capability {gpu.capability}) has no bfloat16"
        yield Finding(message, Remedy("advice", f"write `{instead}`"), place)


def _written(code: Code) -> Iterator[tuple[str, str, Location]]:
    for call in code.nodes(ast.Call):
        for keyword in call.keywords:
            value = ast.unparse(keyword.value)
            asked = value == "True" if str(keyword.arg).startswith("bf16") else value.strip("'\"").endswith("bfloat16")
            if keyword.arg in INSTEAD and asked and not _tested(code, call):
                yield f"{keyword.arg} is {value}", INSTEAD[keyword.arg], code.location(keyword.value)


def _tested(code: Code, call: ast.Call) -> bool:
    """Whether the file asks the GPU first."""
    tests = [ast.unparse(parent.test) for parent in code.parents(call) if isinstance(parent, ast.If | ast.IfExp)]
    return any(re.search("bf16|bfloat16|capability", test) for test in tests)


def _told(code: Code) -> Iterator[tuple[str, str, Location]]:
    for number, line in enumerate(code.lines(), 1):
        if match := LINE.search(line.partition("#")[0]):
            kind = str(match.lastgroup)
            said, instead = {"flag": ("--bf16 is given", "--fp16"), "key": ("bf16 is true", "fp16: true")}[kind]
            yield said, instead, Location(code.source.path, number, match.start(kind) + len(match[kind]) - 3)
