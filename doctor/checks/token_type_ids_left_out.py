"""A tokenizer leaves it to the library what it returns beside the ids.

Why it matters: in transformers 4 that was `token_type_ids` and the attention mask; from 5.0 on it is the mask alone.  A
model that tells two texts apart by their `token_type_ids` takes both for one, without a word.

What to do: `doctor fix` writes the names of transformers 4 into the class.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict
from doctor.tokenizer_classes import unsaid_inputs

WORKS = "transformers<5"
TOKENIZER = """class T(PreTrainedTokenizer):
    {} = ['input_ids', 'attention_mask']
    def create_token_type_ids_from_sequences(self, token_ids_0, token_ids_1=None): pass
"""


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[b"PreTrainedTokenizer"],
    passes=[
        remote_code(TOKENIZER.format("model_input_names")),
        remote_code(TOKENIZER.format("inputs").replace("PreTrainedTokenizer", "PreTrainedTokenizerFast")),
        remote_code(TOKENIZER.format("inputs").replace("PreTrainedTokenizer", "LlamaTokenizer")),
        remote_code(TOKENIZER.format("inputs").replace("token_type_ids", "mask")),
    ],
    fails=[remote_code(TOKENIZER.format("inputs")), remote_code(TOKENIZER.format("inputs"), "4.57.6")],
    kinds=["remote-code"],
)
def token_type_ids_left_out(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find direct subclasses of `PreTrainedTokenizer` without `model_input_names`, where something asks for the ids."""
    judged = verdict(WORKS, facts)
    for name, node in code.classes.nodes.items() if judged else ():
        if judged and unsaid_inputs(code.classes, name) and _asked(code, facts):
            yield Finding(
                f"{name} has no model_input_names; {judged.when} the library's have no token_type_ids, which "
                "transformers 4 returned",
                Remedy("advice", 'write `model_input_names = ["input_ids", "token_type_ids", "attention_mask"]`'),
                code.location(node),
            )


def _asked(code: Code, facts: Facts) -> bool:
    """Whether the tokenizer makes `token_type_ids`, or a model beside it takes them."""
    return any("token_type_ids" in (source.text or "") for source in (code.source, *facts.beside(code.source)))
