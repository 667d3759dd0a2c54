"""The defaults that a configuration gets back: what is set comes first, and nothing more is written."""

from __future__ import annotations

from typing import Any

from doctor.patch import rewrite
from doctor.patches.config_defaults_missing import DEFAULTS, ConfigDefaultsMissing

BASE = """class PretrainedConfig:
    def __init__(self, **kwargs):
        for name, value in kwargs.items():
            setattr(self, name, value)

"""
OWN = """class C(PretrainedConfig):
    model_type = "c"

    def __init__(self, size=1, eos_token_id=2, **kwargs):
        self.size = size
        super().__init__(eos_token_id=eos_token_id, **kwargs)

class D(C):
    pass
"""


def classes(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(rewrite(BASE + text, [ConfigDefaultsMissing]).text, names)
    return names


def test_every_default_of_4_x_is_there_and_none_is_the_instance_s() -> None:
    made = classes(OWN)["D"]()
    given = {name: getattr(made, name) for names in DEFAULTS.values() for name in names}
    assert given == {name: eval(value) for value, names in DEFAULTS.items() for name in names} | {"eos_token_id": 2}
    assert vars(made) == {"size": 1, "eos_token_id": 2}


def test_what_config_json_says_wins() -> None:
    made = classes(OWN)["C"](tie_word_embeddings=False, pad_token_id=0, is_decoder=True)
    assert (made.tie_word_embeddings, made.pad_token_id, made.is_decoder) == (False, 0, True)


def test_a_property_of_the_class_stays() -> None:
    text = OWN.replace('"c"\n', '"c"\n\n    @property\n    def pad_token_id(self):\n        return 7\n')
    assert classes(text)["C"]().pad_token_id == 7


def test_of_two_classes_each_gets_its_own() -> None:
    text = OWN + "\nclass E(PretrainedConfig):\n    tie_word_embeddings = False\n"
    names = classes(text)
    assert (names["C"].tie_word_embeddings, names["E"].tie_word_embeddings) == (True, False)
    assert names["E"].add_cross_attention is False


def test_its_own_output_is_left_alone_where_other_patches_go_round_again() -> None:
    once = rewrite(BASE + OWN, [ConfigDefaultsMissing]).text
    assert rewrite(once, [ConfigDefaultsMissing]).patches == ()
    assert once.count("tie_word_embeddings = True") == 1
