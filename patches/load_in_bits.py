"""from_pretrained(load_in_4bit=True) became `quantization_config=BitsAndBytesConfig(load_in_4bit=True)`.

transformers 5.0 hands the old keyword to the model: `TypeError: LlamaForCausalLM.__init__() got an unexpected keyword
argument 'load_in_4bit'`.  `load_in_8bit` and the settings of bitsandbytes beside it (`bnb_4bit_*`, `llm_int8_*`) go
the same way, also in `model_kwargs`.  Beside a `quantization_config` they are left out: 4.x refuses the two together.

Reference: https://github.com/huggingface/transformers/pull/41287
"""

from __future__ import annotations

from doctor.argument_patch import ArgumentPatch, literal
from doctor.given import Given
from doctor.patch import Example

BITS = ("load_in_4bit", "load_in_8bit")
BESIDE = (
    "bnb_4bit_compute_dtype",
    "bnb_4bit_quant_storage",
    "bnb_4bit_quant_type",
    "bnb_4bit_use_double_quant",
    "llm_int8_enable_fp32_cpu_offload",
    "llm_int8_has_fp16_weight",
    "llm_int8_skip_modules",
    "llm_int8_threshold",
)
IMPORT = "from transformers import AutoModelForCausalLM"
LOAD = "\nm = AutoModelForCausalLM.from_pretrained"


class LoadInBits(ArgumentPatch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = tuple(name.encode() for name in BITS)
    mends = tuple(f"argument:transformers.PreTrainedModel.from_pretrained.{name}" for name in BITS)
    of = frozenset({"transformers.PreTrainedModel.from_pretrained"})
    examples = [
        Example(
            f'{IMPORT}{LOAD}("m", load_in_4bit=True, device_map="auto")',
            f'{IMPORT}, BitsAndBytesConfig{LOAD}("m", quantization_config=BitsAndBytesConfig(load_in_4bit=True), '
            'device_map="auto")',
        ),
        Example(
            f'{IMPORT}{LOAD}("m", load_in_8bit=args.int8)',
            f'{IMPORT}, BitsAndBytesConfig{LOAD}("m", quantization_config=BitsAndBytesConfig(load_in_8bit=True) '
            "if args.int8 else None)",
        ),
        Example(
            f'{IMPORT}, BitsAndBytesConfig\noptions = {{"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}}'
            f'{LOAD}("m", **options)',
            f'{IMPORT}, BitsAndBytesConfig\noptions = {{"quantization_config": BitsAndBytesConfig(load_in_4bit=True, '
            f'bnb_4bit_quant_type="nf4")}}{LOAD}("m", **options)',
        ),
        Example(
            f'{IMPORT}{LOAD}("m", load_in_4bit=bits == 4, load_in_8bit=bits == 8, quantization_config=config)',
            f'{IMPORT}{LOAD}("m", quantization_config=config)',
        ),
        Example(f'{IMPORT}{LOAD}("m", load_in_8bit=False)', f'{IMPORT}{LOAD}("m")'),
        Example(
            "import transformers\nm = transformers.AutoModel.from_pretrained('m', load_in_8bit=True)",
            "import transformers\nm = transformers.AutoModel.from_pretrained('m', "
            "quantization_config=transformers.BitsAndBytesConfig(load_in_8bit=True))",
        ),
        Example(
            "from transformers import BitsAndBytesConfig\nc = BitsAndBytesConfig(load_in_4bit=True)", keeps="its place"
        ),
        Example(
            "from unsloth import FastLanguageModel\nm = FastLanguageModel.from_pretrained('m', load_in_4bit=True)",
            keeps="another library's model",
        ),
    ]
    proof = """
from scenery import Tiny, folder

class M(Tiny):
    pass

M.from_pretrained(folder(), load_in_8bit=False, load_in_4bit=False)
"""

    def amend(self, given: Given) -> None:
        if not any(name in given for name in BITS):
            return
        if "quantization_config" in given:
            for name in (*BITS, *BESIDE):
                given.remove(name)
            return
        for name in BITS:
            if literal(given.get(name)) in (False, None):
                given.remove(name)
        asked = [name for name in BITS if name in given]
        if not asked:
            return
        given.replace(asked[0], "quantization_config", self._config(given, asked))
        for name in (*asked[1:], *BESIDE):
            given.remove(name)

    def _config(self, given: Given, asked: list[str]) -> str:
        """The configuration in words, None where the script may ask for none."""
        owner = given.spelled.partition(".")[0]
        if self.script.imports.get(owner) == "transformers":
            config = f"{owner}.BitsAndBytesConfig"
        else:
            config = self.import_of("transformers", "BitsAndBytesConfig")
        conditions = [given.code(name) for name in asked if literal(given.get(name)) is not True]
        alone = len(asked) == 1
        bits = [f"{name}={'True' if alone else given.code(name)}" for name in asked]
        beside = [f"{name}={given.code(name)}" for name in BESIDE if name in given]
        made = f"{config}({', '.join([*bits, *beside])})"
        return f"{made} if {' or '.join(conditions)} else None" if len(conditions) == len(asked) else made
