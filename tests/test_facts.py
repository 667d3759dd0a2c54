"""Facts to JSON and back, and what is said of JSON that holds none."""

from __future__ import annotations

import dataclasses
import json
import random
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from doctor.facts import SCHEMA, dump, load
from doctor.model import Facts, Gpu, Machine, ModelFacts, Package, Skip, Source
from doctor.scan import Request, scan

WORDS = ["", "x", "Ünï", "\udce9", "\ud800", "\x00", "a\nb", '"', "\\", "../..", "None", "é" * 300, "\u2028", "🤗"]
NUMBERS = [0, 1, -1, 2**63, 10**30]
VALUES: list[Any] = [None, True, 0, 1.5, 1e308, "x", [], {}, [1, [2, {"a": None}]], {"": {"b": [False]}}]


def awkward(hint: Any, chance: random.Random) -> Any:
    """A value that the annotation allows, of the kind nobody thinks of."""
    origin, inner = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(**{f.name: awkward(hints[f.name], chance) for f in dataclasses.fields(hint)})  # type: ignore[operator]
    if origin is Literal:
        return chance.choice(inner)
    if origin in (Union, types.UnionType):
        return awkward(chance.choice(inner), chance)
    if origin is tuple and inner[1:] == (...,):
        return tuple(awkward(inner[0], chance) for _ in range(chance.randrange(3)))
    if origin is tuple:
        return tuple(awkward(part, chance) for part in inner)
    if origin is Mapping:
        return {chance.choice(WORDS): awkward(inner[1], chance) for _ in range(chance.randrange(3))}
    simple: dict[Any, list[Any]] = {str: WORDS, int: NUMBERS, bool: [True, False], type(None): [None], Any: VALUES}
    return chance.choice(simple[hint])


@pytest.mark.parametrize("seed", range(50))
def test_a_round_trip_loses_nothing(seed: int) -> None:
    facts = awkward(Facts, random.Random(seed))
    recorded = json.dumps(dump(facts))
    again = load(json.loads(recorded))
    assert again == facts
    assert json.dumps(dump(again)) == recorded


def test_a_scan_of_this_machine() -> None:
    facts = scan(Request())
    assert load(json.loads(json.dumps(dump(facts)))) == facts


def test_the_text_of_the_sources_may_be_left_out() -> None:
    facts = Facts(sources=(Source("/a.py", "script", text="secret = 1", digest="d"),))
    assert load(dump(facts, sources=False)).sources == (Source("/a.py", "script", digest="d"),)


def test_facts_within_a_report() -> None:
    facts = Facts(packages={"x": Package("x", "1")})
    assert load({"schema": 1, "doctor": "0.1.0", "facts": dump(facts), "findings": []}) == facts


def test_what_an_older_release_did_not_record_has_its_default() -> None:
    assert load({"schema": SCHEMA}) == Facts()
    assert load({"schema": SCHEMA, "machine": {"system": "Darwin"}}).machine == Machine("Darwin")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema: 2 was recorded, this release reads 1"),
        ({"schema": None}, "schema: None was recorded, this release reads 1"),
        ({"future": 1}, "facts.future: this release knows no such fact"),
        ({"python": "3.11"}, "facts.python: is '3.11', expected an object"),
        ({"python": {"version": 3.11}}, "facts.python.version: is 3.11, expected str"),
        ({"python": {"kind": "docker"}}, "facts.python.kind: is 'docker', expected one of venv, uv, conda, system"),
        ({"packages": []}, "facts.packages: is an array, expected an object"),
        ({"packages": {"x": {"name": "x"}}}, "facts.packages.x.version: is missing"),
        (
            {"packages": {"x": {"name": "x", "version": "1", "requires": "y"}}},
            "facts.packages.x.requires: is 'y', expected",
        ),
        ({"machine": {"memory": "1"}}, "facts.machine.memory: is '1', expected int"),
        ({"machine": {"memory": True}}, "facts.machine.memory: is True, expected int"),
        ({"machine": {"gpus": [{"name": "a", "memory": 1, "free": 1}, 7]}}, r"facts.machine.gpus\[1\]: is 7, expected"),
        (
            {"models": [{"path": "/m", "tensors": {"w": ["F32"]}}]},
            r"facts.models\[0\].tensors.w: is an array, expected",
        ),
        ({"sources": [{"path": "/a", "kind": "script", "text": 1}]}, r"facts.sources\[0\].text: is 1, expected str"),
        ({"sources": [{"path": "/a", "kind": []}]}, r"facts.sources\[0\].kind: is an array, expected one of"),
        ({"against": "x" * 100, "directory": ["y"]}, "facts.directory: is an array, expected str"),
        ({"directory": 10**70}, r"facts.directory: is 1000+\.\.\., expected str"),
    ],
)
def test_what_is_malformed_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load({"schema": SCHEMA, **change})
    assert type(caught.value) is ValueError
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("recorded", [None, [], "facts", 1, {}])
def test_what_is_no_recording_at_all(recorded: Any) -> None:
    with pytest.raises(ValueError, match=r"facts are a JSON object, this is|schema: None was recorded"):
        load(recorded)


def test_every_kind_of_fact_is_in_the_recording() -> None:
    facts = Facts(
        machine=Machine(gpus=(Gpu("a", 1, 2),)),
        models=(ModelFacts("/m", tensors={"w": ("F32", (1, 2))}),),
        skipped=(Skip("x", "y"),),
    )
    recorded = dump(facts)
    assert recorded["schema"] == SCHEMA
    assert recorded.keys() - {"schema"} == {field.name for field in dataclasses.fields(Facts)}
    assert recorded["models"][0]["tensors"] == {"w": ["F32", [1, 2]]}
