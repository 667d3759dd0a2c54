"""What patches and checks ask about the tokenizers and processors of one file: what each leaves to the library."""

from __future__ import annotations

import ast
import re

from doctor.classes import Classes
from doctor.parsing import parsed

TOKENIZER = re.compile(r"Tokenizer(Base|Fast)?$|^(PythonBackend|TokenizersBackend)$")
BARE = "PreTrainedTokenizer"
"""The library's class for tokenizers in Python, which leaves everything to those that derive from it."""
SPECIALS = ("build_inputs_with_special_tokens", "get_special_tokens_mask")


def is_tokenizer(classes: Classes, name: str) -> bool:
    """Whether a class is a tokenizer of transformers, be its base the library's or another file's."""
    return any(TOKENIZER.search(base) for base in _foreign(classes, name))


def unsaid_inputs(classes: Classes, name: str) -> bool:
    """Whether a tokenizer leaves it to the library what it returns."""
    said = classes.assigns(name, "model_input_names") or classes.method(name, "model_input_names")
    return _foreign(classes, name) == [BARE] and not said


def unsaid_specials(classes: Classes, name: str) -> list[str]:
    """The methods that say which special tokens stand around a text, as far as a tokenizer has them not."""
    init = classes.method(name, "__init__")
    if _foreign(classes, name) != [BARE] or (init and "special_tokens_pattern" in ast.unparse(init)):
        return []
    return [method for method in SPECIALS if not classes.method(name, method)]


def unsaved_choices(classes: Classes, name: str) -> list[str]:
    """What a tokenizer hands to the library to be saved, and transformers 5 does not save."""
    init = classes.method(name, "__init__")
    if _foreign(classes, name) != [BARE] or init is None or classes.method(name, "save_pretrained"):
        return []
    calls = [node for node in ast.walk(init) if isinstance(node, ast.Call)]
    up = [call for call in calls if ast.unparse(call.func) == "super().__init__"]
    given = {keyword.arg for call in up for keyword in call.keywords}
    return [choice for choice in ("add_bos_token", "add_eos_token") if choice in given]


def _foreign(classes: Classes, name: str) -> list[str]:
    """The classes from elsewhere that a class derives from."""
    return [base for base in classes.lineage(name) if base not in classes.nodes]


def converted(tree: str | ast.Module, classes: Classes) -> list[str]:
    """The fast tokenizers whose slow one has a converter of the file, and that hand all to the library by name."""
    nodes = (parsed(tree) if isinstance(tree, str) else tree).body
    targets = [target for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
    known = re.findall(r"SLOW_TO_FAST_CONVERTERS\['(\w+)'\]", " ".join(map(ast.unparse, targets)))
    return [name for name in classes.nodes if _slow(classes, name) in known and _hands_on_by_name(classes, name)]


def _slow(classes: Classes, name: str) -> str | None:
    """The slow tokenizer that a fast one is made from."""
    for node in classes.nodes[name].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "slow_tokenizer_class":
            return ast.unparse(node.value)
    return None


def _hands_on_by_name(classes: Classes, name: str) -> bool:
    inits = [node for node in classes.nodes[name].body if getattr(node, "name", "") == "__init__"]
    calls = [node for init in inits for node in ast.walk(init) if isinstance(node, ast.Call)]
    up = [call for call in calls if ast.unparse(call.func) == "super().__init__"]
    return len(up) == 1 and not up[0].args and "_doctor_converted" not in ast.unparse(up[0])


def set_aside(classes: Classes, name: str) -> bool:
    """Whether a fast tokenizer has an `__init__` of its own, and leaves it to the library how it is read."""
    inits = [ast.unparse(node) for node in classes.nodes[name].body if getattr(node, "name", "") == "__init__"]
    fast = any(base.endswith("TokenizerFast") for base in _foreign(classes, name))
    own = any("self._tokenizer = " in init for init in inits) or classes.method(name, "convert_to_native_format")
    return fast and bool(inits) and not own


def without_template(classes: Classes, name: str) -> bool:
    """Whether a processor has an `__init__` of its own that sets no `chat_template`, and nobody else does."""
    init = classes.method(name, "__init__")
    if not any(base == "ProcessorMixin" for base in _foreign(classes, name)) or init is None:
        return False
    text = ast.unparse(init)
    said = classes.assigns(name, "chat_template") or classes.method(name, "chat_template")
    return "__init__(" not in text.partition("\n")[2] and "chat_template" not in text and not said
