"""`doctor fit` on the user's own case, Phi-3-mini on a card of 4 GiB, and what may go wrong."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from doctor.cli import main

PHI3 = {
    "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064,
    "max_position_embeddings": 4096, "tie_word_embeddings": False,
}  # fmt: skip
GIB = 1 << 30


@pytest.fixture
def phi3(work: Path) -> Path:
    (work / "phi3-mini").mkdir()
    (work / "phi3-mini" / "config.json").write_text(json.dumps(PHI3), "utf-8")
    return work


def fit(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["fit", "--model", "phi3-mini", "--format", "json", *words])
    return code, json.loads(capsys.readouterr().out)


def loads(found: dict[str, Any]) -> dict[str, bool]:
    return {e["transformers"]: e["fits"] for e in found["estimates"] if e["stage"] == "load"}


RELEASES = ("4.47.1", "4.57.6", "5.0.0", "5.3.0", "5.4.0", "5.23.0")
AGAINST = [word for release in RELEASES for word in ("--against", f"transformers=={release}")]


@pytest.mark.usefixtures("phi3")
def test_which_releases_load_it_in_4_gib(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = fit(capsys, "--vram", "4GiB", *AGAINST)
    assert loads(found) == {release: not release.startswith(("5.0", "5.3")) for release in RELEASES}
    assert found["variables"] == ["HF_DEACTIVATE_ASYNC_LOAD=1"]
    monkeypatch.setenv("HF_DEACTIVATE_ASYNC_LOAD", "1")
    _, found = fit(capsys, "--vram", "4GiB", *AGAINST)
    assert set(loads(found).values()) == {True} and not found["variables"]


@pytest.mark.usefixtures("phi3")
def test_the_settings_that_train_it_in_4_gib(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = fit(capsys, "--vram", "4GiB")
    estimates = {estimate["stage"]: estimate for estimate in found["estimates"]}
    assert code == 0
    assert {stage: estimate["fits"] for stage, estimate in estimates.items()} == {
        "load": True,
        "train": False,
        "generate": True,
    }
    settings = yaml.safe_load(found["settings"])
    assert (settings["method"], settings["max_length"], settings["lora"]) == ("qlora", 1024, {"r": 32})
    assert "fused loss" in found["settings"]
    longest = {(r["recipe"], r["batch"]): r["longest"] for r in found["table"] if r["method"] == "qlora"}
    assert longest["usual", 1] < 1024 < longest["lean", 1] < longest["offload", 1] == 4096


@pytest.mark.usefixtures("phi3")
def test_without_a_card_nothing_is_judged(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doctor.commands.fit._card", lambda facts, options: None)
    code, found = fit(capsys, "--method", "qlora")
    assert code == 0
    assert {estimate["fits"] for estimate in found["estimates"]} == {None}
    assert found["settings"] is None and {row["longest"] for row in found["table"]} == {None}


@pytest.mark.usefixtures("phi3")
def test_a_card_too_small_for_anything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--model", "phi3-mini", "--vram", "2GiB"]) == 1
    assert "Nothing trains this model in 2.00 GiB by qlora." in capsys.readouterr().out


@pytest.mark.usefixtures("phi3")
def test_the_page_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["fit", "--model", "phi3-mini", "--vram", "4GiB", "--against", "transformers==4.57.6"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"4\.57\.6 +load +3\.47 GiB .* just fits", said)
    assert re.search(r"4\.57\.6 +train +3\.80 GiB .* does not fit +at the loss", said)
    assert "max_length: 1024" in said and "the shapes follow from config.json" in said


def test_the_picture_is_well_formed_and_escapes_names(phi3: Path) -> None:
    (phi3 / "phi3-mini").rename(phi3 / "<b>&")
    assert main(["fit", "--model", "<b>&", "--vram", "4GiB", "--format", "html", "--output", "fit.html"]) == 0
    page = (phi3 / "fit.html").read_text("utf-8")
    assert "<b>&" not in page and "&lt;b&gt;&amp;" in page
    assert not re.search(r"(?:src|href)=|https?://", page)
    [svg] = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    picture = ElementTree.fromstring(re.sub(r"=([^\s\"/>]+)(?=[\s/>])", r'="\1"', svg))
    assert len(picture.findall("rect")) > 9 and len(picture.findall("line")) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--vram", "lots"], "'lots' is no size: write e.g. 4GiB"),
        (["--batch", "0"], "'0' is no whole number above 0"),
        (["--quant", "int4"], "there is no --quant value 'int4'"),
        (["--against", "transformers"], "names no single release"),
        (["--output", "no/folder/x.json", "--format", "json"], "cannot write no/folder/x.json"),
        (["--model", "nobody/nothing"], "is neither a folder nor in the hub cache"),
        (["--model", "."], "holds no config.json"),
    ],
)
@pytest.mark.usefixtures("phi3")
def test_usage_errors(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--model", "phi3-mini", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_config_that_says_too_little(phi3: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (phi3 / "phi3-mini" / "config.json").write_text('{"model_type": "phi3"}', "utf-8")
    assert main(["fit", "--model", "phi3-mini"]) == 2
    assert "config.json gives no hidden_size" in capsys.readouterr().err


@pytest.mark.usefixtures("phi3")
def test_check_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", "phi3-mini", "--select", "model-does-not-fit", "--format", "json"]
    assert main([*words, "--vram", "4GiB", "--against", "transformers==5.0.0"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [finding["remedy"]["value"] for finding in found] == ["HF_DEACTIVATE_ASYNC_LOAD=1", "max_length: 1024"]
    assert main([*words, "--vram", "24GiB", "--max-length", "4096"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []
    assert main([*words, "--vram", "a lot"]) == 2


@pytest.mark.usefixtures("phi3")
def test_piped_lines_end_where_their_words_do(capsys: pytest.CaptureFixture[str]) -> None:
    main(["fit", "--model", "phi3-mini", "--vram", "4GiB"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10
    assert [line for line in lines if line.endswith(" ")] == []


def test_a_reader_of_the_console_that_goes_away() -> None:
    from doctor.commands import terminal

    end, start = os.pipe()
    os.close(end)
    with os.fdopen(start, "w", buffering=1) as file:
        with pytest.raises(BrokenPipeError):
            terminal._console(file).print("words")
        os.dup2(os.open(os.devnull, os.O_WRONLY), start)
