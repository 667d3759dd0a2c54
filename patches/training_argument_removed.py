"""TrainingArguments is given an argument that transformers 5.0 removed and that has an equal, or changes nothing.

`TypeError: TrainingArguments.__init__() got an unexpected keyword argument 'no_cuda'`, and so for two dozen others.
Renamed ones get the name that 4.47 takes too (`use_cpu`, `per_device_train_batch_size`, `hub_token`,
`torch_compile_backend`); those that became part of another (`adafactor`, `dispatch_batches`, `fsdp_min_num_params`,
`include_inputs_for_metrics`) are written as that; those that have the value 5.x always uses, or that the Trainer of
4.47 does not read, are left out.  A value with another meaning, `save_safetensors=False`, stays, and stays a finding.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst

from doctor.argument_patch import TRAINING_ARGUMENTS, ArgumentPatch, literal
from doctor.given import Given
from doctor.patch import Example

RENAMED = {
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "push_to_hub_token": "hub_token",
    "torchdynamo": "torch_compile_backend",
}
IDLE: dict[str, tuple[object, ...]] = {
    "adafactor": (False, None),
    "dispatch_batches": (None,),
    "fp16_backend": ("auto", "amp", "cuda_amp"),
    "fsdp_min_num_params": (0,),
    "fsdp_transformer_layer_cls_to_wrap": (None,),
    "half_precision_backend": ("auto", "amp", "cuda_amp"),
    "include_inputs_for_metrics": (False,),
    "include_tokens_per_second": (False, None),
    "jit_mode_eval": (False,),
    "past_index": (-1,),
    "per_gpu_eval_batch_size": (None,),
    "per_gpu_train_batch_size": (None,),
    "push_to_hub_model_id": (None,),
    "push_to_hub_organization": (None,),
    "push_to_hub_token": (None,),
    "ray_scope": ("last",),
    "save_safetensors": (True,),
    "split_batches": (None,),
    "torchdynamo": (None,),
    "tpu_metrics_debug": (False,),
    "tpu_num_cores": (None,),
    "use_ipex": (False,),
    "use_legacy_prediction_loop": (False,),
}
"""The values that change nothing."""
UNREAD = ("fp16_opt_level", "mp_parameters", "use_mps_device")
"""The Trainer of 4.47 does not read these, or reads them for apex alone."""
ARGUMENTS = (*RENAMED, *IDLE, *UNREAD, "overwrite_output_dir")
IMPORT = "from transformers import TrainingArguments\n"


class TrainingArgumentRemoved(ArgumentPatch):
    old, new = "transformers<5", "transformers>=4.46"
    needles = tuple(sorted({name.encode() for name in ARGUMENTS}))
    mends = tuple(f"argument:transformers.TrainingArguments.{name}" for name in sorted(set(ARGUMENTS)))
    of = TRAINING_ARGUMENTS
    examples = [
        Example(
            f'{IMPORT}a = TrainingArguments("out", no_cuda=True, save_safetensors=True, overwrite_output_dir=True)',
            f'{IMPORT}a = TrainingArguments("out", use_cpu=True)',
        ),
        Example(
            f"{IMPORT}a = TrainingArguments(\n    output_dir='out',\n    per_gpu_train_batch_size=4,  # each\n"
            "    use_mps_device=False,\n)",
            f"{IMPORT}a = TrainingArguments(\n    output_dir='out',\n    per_device_train_batch_size=4,  # each\n)",
        ),
        Example(
            f"{IMPORT}options = dict(adafactor=True, dispatch_batches=False, split_batches=True)\n"
            'options["fp16_backend"] = "auto"\na = TrainingArguments("out", **options)',
            f'{IMPORT}options = dict(optim="adafactor", accelerator_config={{"dispatch_batches": False, '
            '"split_batches": True})\na = TrainingArguments("out", **options)',
        ),
        Example(
            f'{IMPORT}a = TrainingArguments("out", overwrite_output_dir=True)\nprint(a.overwrite_output_dir)',
            f'{IMPORT}a = TrainingArguments("out", **({{"overwrite_output_dir": True}} '
            'if hasattr(TrainingArguments, "overwrite_output_dir") else {}))\nprint(a.overwrite_output_dir)',
        ),
        Example(f'{IMPORT}a = TrainingArguments("out", save_safetensors=False)', keeps="5.x saves safetensors only"),
        Example(f'{IMPORT}a = TrainingArguments("out", half_precision_backend="apex")', keeps="5.x knows no apex"),
        Example(
            "from mine import TrainingArguments\na = TrainingArguments(no_cuda=True)", keeps="somebody else's class"
        ),
    ]
    proof = """
from transformers import TrainingArguments
a = TrainingArguments("out", no_cuda=True, overwrite_output_dir=True, save_safetensors=True)
assert a.device.type == "cpu"
"""

    def amend(self, given: Given) -> None:
        for name, values in IDLE.items():
            if any(value is literal(given.get(name)) or value == literal(given.get(name)) for value in values):
                given.remove(name)
        if "apex" not in (literal(given.get("half_precision_backend")), literal(given.get("fp16_backend"))):
            for name in UNREAD:
                given.remove(name)
        self._overwrite(given)
        for old, new in RENAMED.items():
            given.rename(old, new)
        if literal(given.get("adafactor")) is True:
            given.replace("adafactor", "optim", '"adafactor"')
        if literal(given.get("include_inputs_for_metrics")) is True:
            given.replace("include_inputs_for_metrics", "include_for_metrics", '["inputs"]')
        if "push_to_hub_organization" not in given:
            given.rename("push_to_hub_model_id", "hub_model_id")
        _gathered(
            given, "accelerator_config", {"dispatch_batches": "dispatch_batches", "split_batches": "split_batches"}
        )
        _gathered(
            given,
            "fsdp_config",
            {
                "fsdp_min_num_params": "min_num_params",
                "fsdp_transformer_layer_cls_to_wrap": "transformer_layer_cls_to_wrap",
            },
        )

    def _overwrite(self, given: Given) -> None:
        """The Trainer never reads this one; the script may."""
        name = "overwrite_output_dir"
        if name not in given:
            return
        if f".{name}" not in self.file.text:
            given.remove(name)
        elif given.spelled:
            value = given.code(name)
            given.spread(name, f'{{"{name}": {value}}} if hasattr({given.spelled}, "{name}") else {{}}')


def _gathered(given: Given, into: str, keys: dict[str, str]) -> None:
    """Several arguments as the entries of one that is not given yet."""
    there = [name for name in keys if name in given]
    if not there or into in given:
        return
    entries = [f'"{keys[name]}": {_listed(keys[name], given.get(name))}' for name in there]
    for name in there[1:]:
        given.remove(name)
    given.replace(there[0], into, "{" + ", ".join(entries) + "}")


def _listed(key: str, value: cst.BaseExpression | None) -> str:
    code = cst.Module([]).code_for_node(value) if value is not None else ""
    return f"[{code}]" if key == "transformer_layer_cls_to_wrap" and isinstance(literal(value), str) else code
