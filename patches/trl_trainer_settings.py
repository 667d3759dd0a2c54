"""A trainer of trl is given what its configuration takes now.

`TypeError: SFTTrainer.__init__() got an unexpected keyword argument 'dataset_text_field'` (trl 0.13), and so for
`max_seq_length`, `packing`, DPO's `beta` and others.  The function makes the configuration of the arguments the script
hands over, as trl does with plain TrainingArguments, so that their values stay; settings that trl dropped are left out.

Reference: https://github.com/huggingface/trl/pull/1707
"""

from __future__ import annotations

import libcst as cst

from doctor.argument_patch import ArgumentPatch
from doctor.given import Given
from doctor.patch import Example

SHARED = ("dataset_num_proc", "model_init_kwargs")
PREFERENCE = (
    *SHARED, "beta", "disable_dropout", "generate_during_eval", "is_encoder_decoder", "label_pad_token_id",
    "label_smoothing", "loss_type", "max_length", "max_prompt_length", "max_completion_length", "padding_value",
    "precompute_ref_log_probs", "ref_model_init_kwargs", "reference_free", "truncation_mode",
)  # fmt: skip
SETTINGS = {
    "SFTTrainer": (
        *SHARED, "chars_per_token", "dataset_batch_size", "dataset_kwargs", "dataset_text_field", "eval_packing",
        "max_seq_length", "neftune_noise_alpha", "num_of_sequences", "packing",
    ),
    "DPOTrainer": PREFERENCE,
    "KTOTrainer": PREFERENCE,
}  # fmt: skip
HEAD = "from transformers import TrainingArguments\nfrom trl import SFTTrainer\n"


class TrlTrainerSettings(ArgumentPatch):
    old, new = "trl<0.13", "trl>=0.9"
    needles = tuple(sorted({name.encode() for names in SETTINGS.values() for name in names}))
    mends = tuple(f"argument:trl.{trainer}.{name}" for trainer, names in SETTINGS.items() for name in names)
    of = frozenset(f"trl.{trainer}" for trainer in SETTINGS)
    helpers = {
        "_doctor_trl_config": '''
def _doctor_trl_config(kind, arguments, **settings):
    """The configuration of a trl trainer, from plain arguments and what the trainer itself once took."""
    import dataclasses

    import trl

    config = getattr(trl, kind)
    known = {field.name for field in dataclasses.fields(config) if field.init}
    if "max_seq_length" in settings and "max_seq_length" not in known:
        length = settings.pop("max_seq_length")
        settings.update({} if length is None else {"max_length": length})
    given = {"output_dir": "tmp_trainer"}
    if arguments is not None:
        given = {field.name: getattr(arguments, field.name) for field in dataclasses.fields(arguments) if field.init}
    return config(**{name: value for name, value in {**given, **settings}.items() if name in known})
'''
    }
    examples = [
        Example(
            f'{HEAD}t = SFTTrainer(model, args=TrainingArguments("o"), dataset_text_field="text", max_seq_length=512)',
            f'{HEAD}t = SFTTrainer(model, args=_doctor_trl_config("SFTConfig", TrainingArguments("o"), '
            'dataset_text_field="text", max_seq_length=512))',
        ),
        Example(
            f"{HEAD}t = SFTTrainer(model, packing=False, train_dataset=rows)",
            f'{HEAD}t = SFTTrainer(model, args=_doctor_trl_config("SFTConfig", None, packing=False), '
            "train_dataset=rows)",
        ),
        Example(
            "from trl import DPOTrainer\nt = DPOTrainer(model, None, args, beta=0.1, train_dataset=rows)",
            'from trl import DPOTrainer\nt = DPOTrainer(model, None, _doctor_trl_config("DPOConfig", args, beta=0.1), '
            "train_dataset=rows)",
        ),
        Example(
            "from trl import SFTConfig, SFTTrainer\nt = SFTTrainer(model, args=SFTConfig('o', packing=True))",
            keeps="they are in the configuration",
        ),
        Example("from mine import SFTTrainer\nt = SFTTrainer(model, packing=True)", keeps="somebody else's class"),
    ]
    proof = """
from trl import SFTTrainer
from scenery import Tiny, TinyConfig, words

SFTTrainer(Tiny(TinyConfig()), tokenizer=words(), train_dataset=None, packing=False)
"""

    def amend(self, given: Given) -> None:
        trainer = given.callee.name.rpartition(".")[2]
        moved = [name for name in SETTINGS[trainer] if name in given]
        place = 1 if trainer == "SFTTrainer" else 2  # DPO and KTO have the reference model before the arguments
        positional = [e for e in given.elements if isinstance(e, cst.Arg) and e.keyword is None and e.star == ""]
        if not moved or not given.spelled or len(positional) > place + 1 or not self._whole(given):
            return
        helper = cst.Module([]).code_for_node(self.helper("_doctor_trl_config"))
        config = trainer.replace("Trainer", "Config")
        settings = ", ".join(f"{name}={given.code(name)}" for name in moved)
        by_position = len(positional) == place + 1
        plain = cst.Module([]).code_for_node(positional[place].value) if by_position else given.code("args") or "None"
        made = f'{helper}("{config}", {plain}, {settings})'
        if by_position or "args" in given:
            at = given.elements.index(positional[place]) if by_position else given.index("args")
            assert at is not None
            given.elements[at] = given.elements[at].with_changes(value=cst.parse_expression(made))
            given.changed = True
        else:
            given.replace(moved.pop(0), "args", made)
        for name in moved:
            given.remove(name)

    def _whole(self, given: Given) -> bool:
        """Whether all that reaches the trainer is in this call: `args` may be in a dictionary it unpacks."""
        elements = given.elements
        return all(isinstance(element, cst.Arg) and element.star == "" for element in elements)
