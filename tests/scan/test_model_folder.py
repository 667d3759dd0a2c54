"""Model folders: JSON files and safetensors headers, whole and broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doctor.scan.files import Unreadable
from doctor.scan.model_folder import read_header


def safetensors(shape: dict[str, list[int]], **metadata: str) -> bytes:
    """A file of BF16 zeros with a header."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for name, sizes in shape.items():
        size = 2
        for n in sizes:
            size *= n
        header[name] = {"dtype": "BF16", "shape": sizes, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(offset)


def test_a_whole_model(place: Any) -> None:
    folder = place.model("m", hidden_size=8)
    place.put("m/tokenizer_config.json", '{"eos_token": "</s>"}')
    place.put("m/generation_config.json", '{"do_sample": true}')
    place.put("m/model.safetensors", safetensors({"a.weight": [2, 3], "b": []}, format="pt"))
    (model,) = place.scan(folder).models
    assert (model.path, model.config["hidden_size"], model.tokenizer) == (str(folder), 8, {"eos_token": "</s>"})
    assert (model.generation, model.weights_metadata) == ({"do_sample": True}, {"format": "pt"})
    assert model.tensors == {"a.weight": ("BF16", (2, 3)), "b": ("BF16", ())}
    assert model.files == ("config.json", "generation_config.json", "model.safetensors", "tokenizer_config.json")


def test_shards_by_the_index(place: Any) -> None:
    folder = place.model("m")
    table = {"a": "1.safetensors", "b": "2.safetensors", "c": "3.safetensors", "d": "../outside.safetensors"}
    place.put("m/model.safetensors.index.json", json.dumps({"weight_map": table}))
    place.put("m/1.safetensors", safetensors({"a": [1]}))
    place.put("m/2.safetensors", safetensors({"b": [2]}))
    place.put("m/consolidated.safetensors", safetensors({"other": [2]}))
    facts = place.scan(folder)
    assert sorted(facts.models[0].tensors) == ["a", "b"]
    assert place.skips(facts) == {"m/3.safetensors": "is named by the index but is not there"}


def test_headers_are_read_only_where_asked_for(place: Any) -> None:
    snapshot = f"hf/hub/models--acme--x/snapshots/{place.commit}"
    place.model(snapshot)
    place.put(f"{snapshot}/model.safetensors", safetensors({"a": [1]}))
    home = {"HF_HOME": str(place.root / "hf")}
    assert place.scan(environment=home).models[0].tensors == {}
    assert place.scan(environment=home, model="acme/x").models[0].tensors == {"a": ("BF16", (1,))}
    assert place.scan(str(place.root / snapshot)).models[0].tensors == {"a": ("BF16", (1,))}


def test_the_config_itself_as_a_target(place: Any) -> None:
    folder = place.model("m", auto_map=place.auto_map)
    assert [model.path for model in place.scan(folder / "config.json").models] == [str(folder)]


@pytest.mark.parametrize("config", ['{"name": "a web page"}', "{}"])
def test_a_config_that_is_not_a_model_s(place: Any, config: str) -> None:
    path = place.put("m/config.json", config)
    for target in (path, path.parent):
        facts = place.scan(target)
        assert (facts.models, [skip.id for skip in facts.skipped]) == ((), [str(target)])
        assert facts.skipped[0].reason.startswith("holds no script, notebook,")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty, a JSON object is expected"),
        (b'{"model_type": "phi3", "hid', "is not JSON: Unterminated string starting at: line 1 column 24 (char 23)"),
        (b"[1, 2]", "holds a JSON array, an object is expected"),
        (b"null", "holds a JSON null, an object is expected"),
        (b'{"model_type": "\xff"}', "is not utf-8: byte 0xff at offset 16"),
        (b"[" * 100_000, "is nested too deeply to be read"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON: Exceeds the limit"),
        (b'\xef\xbb\xbf{"model_type": "x"}', "is not JSON: Unexpected UTF-8 BOM"),
    ],
    ids=["empty", "half", "list", "null", "latin-1", "deep", "long-number", "bom"],
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_json_that_cannot_be_used(place: Any, name: str, content: bytes, reason: str) -> None:
    folder = place.model("m")
    place.put(f"m/{name}", content)
    skips = place.skips(place.scan(folder))
    assert list(skips) == [f"m/{name}"]
    assert skips[f"m/{name}"].startswith(reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is 0 bytes long, but its header claims 0: it is damaged or half-written"),
        (b"\x01\x02", "is 2 bytes long, but its header claims 513: it is damaged or half-written"),
        ((2**62).to_bytes(8, "little") + b"{}", "is 10 bytes long, but its header claims 4611686018427387904"),
        ((9).to_bytes(8, "little") + b"{}", "is 10 bytes long, but its header claims 9: it is damaged"),
        ((2).to_bytes(8, "little") + b"{]", "is not JSON"),
        ((2).to_bytes(8, "little") + b"[]", "holds a JSON array, an object is expected"),
        (safetensors({"a": [8]})[:-1], "ends at byte 86, its header needs 87: it is half-written"),
        ((10).to_bytes(8, "little") + b'{"a": [1]}', "has no dtype, shape and offsets for 'a' in its header"),
        ((8).to_bytes(8, "little") + b'{"a": 1}', "has no dtype, shape and offsets for 'a' in its header"),
    ],
    ids=["empty", "short", "absurd", "one-too-many", "no-json", "list", "cut-off", "entry-list", "entry-number"],
)
def test_a_safetensors_file_that_lies(place: Any, content: bytes, reason: str) -> None:
    folder = place.model("m")
    place.put("m/model.safetensors", content)
    facts = place.scan(folder)
    assert facts.models[0].tensors == {}
    skips = place.skips(facts)
    assert list(skips) == ["m/model.safetensors"]
    assert skips["m/model.safetensors"].startswith(reason)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": 1, "shape": [1], "data_offsets": [0, 1]},
        {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 1]},
        {"dtype": "F32", "shape": 3, "data_offsets": [0, 1]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, "1"]},
        {"dtype": "F32", "shape": [1]},
        None,
    ],
)
def test_a_header_entry_of_another_form(tmp_path: Path, entry: Any) -> None:
    text = json.dumps({"x": entry}).encode()
    file = tmp_path / "x.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(64))
    with pytest.raises(Unreadable, match="has no dtype, shape and offsets for 'x'"):
        read_header(str(file))
