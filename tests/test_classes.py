"""What a file says about its own classes."""

from __future__ import annotations

import pytest

from doctor.classes import Classes

TEXT = """
class P(transformers.PreTrainedModel):
    base_model_prefix = "transformer"

class Decoder(P):
    def get_input_embeddings(self):
        return self.embed_tokens

class Inner(P):
    def __init__(self, config):
        self.decoder = Decoder(config)
    def get_input_embeddings(self):
        return self.decoder.get_input_embeddings()

class Head(P):
    def __init__(self, config):
        self.transformer = Inner(config)
        self._setup()
    def _setup(self):
        self.scale()
    def scale(self): ...
    def forward(self): ...

class Unclear(P):
    def get_input_embeddings(self):
        return self.embeddings[0]

class Loop(Loop2): ...
class Loop2(Loop): ...
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Decoder", "embed_tokens"),
        ("Inner", "decoder.embed_tokens"),
        ("Head", "transformer.decoder.embed_tokens"),
        ("Unclear", None),
        ("P", None),
    ],
)
def test_the_embedding_is_found_through_the_classes(name: str, expected: str | None) -> None:
    assert Classes(TEXT).input_embeddings(name) == expected


def test_who_derives_from_whom() -> None:
    classes = Classes(TEXT)
    assert classes.derives("Head", "PreTrainedModel")
    assert not classes.derives("PreTrainedModel", "PreTrainedModel")
    assert not classes.derives("Loop", "PreTrainedModel")
    assert list(classes.lineage("Loop")) == ["Loop", "Loop2"]


def test_what_a_method_calls() -> None:
    assert Classes(TEXT).called_by("__init__") == {"__init__", "_setup", "scale"}
