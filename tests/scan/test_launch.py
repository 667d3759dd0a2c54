"""Accelerate's configurations and the variables of shell scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from doctor.model import Export
from doctor.scan import Request, scan
from doctor.scan.files import Unreadable
from doctor.scan.launch import read_exports, read_launch


def test_a_configuration_of_accelerate(tmp_path: Path) -> None:
    file = tmp_path / "multi.yaml"
    file.write_text(
        "distributed_type: MULTI_GPU\nnum_machines: 2\nmain_process_ip: null\nfsdp_config: {a: 1}\n", "utf-8"
    )
    found = read_launch(str(file))
    assert found is not None
    assert found.values == {"distributed_type": "MULTI_GPU", "num_machines": 2, "main_process_ip": None}


@pytest.mark.parametrize("text", ["services: {db: {image: postgres}}\n", "- num_machines\n", "# num_machines\n"])
def test_other_yaml_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.yaml").write_text(text, "utf-8")
    assert read_launch(str(tmp_path / "other.yaml")) is None


def test_broken_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("num_machines: [\n", "utf-8")
    with pytest.raises(Unreadable, match="is no YAML"):
        read_launch(str(tmp_path / "broken.yaml"))


def test_what_a_script_sets(tmp_path: Path) -> None:
    file = tmp_path / "run.sh"
    file.write_text(
        "#!/bin/sh\nexport TRANSFORMERS_CACHE=/data/hf  # old\nHF_TOKEN='hf_abc'\nEDITOR=vi\necho HF_HOME=/x\n"
        'export HF_HOME="/a b"\n', "utf-8",
    )  # fmt: skip
    assert [(export.line, export.name, export.value) for export in read_exports(str(file))] == [
        (2, "TRANSFORMERS_CACHE", "/data/hf"),
        (3, "HF_TOKEN", "(set)"),
        (6, "HF_HOME", "/a b"),
    ]


def test_targets_and_the_default_configuration(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "run.sh").write_text("export WANDB_DISABLED=true\n", "utf-8")
    (tmp_path / "project" / "a.yaml").write_text("num_machines: 1\n", "utf-8")
    (tmp_path / "project" / "b.yaml").write_text("name: ci\n", "utf-8")
    default = tmp_path / "hf" / "accelerate" / "default_config.yaml"
    default.parent.mkdir(parents=True)
    default.write_text("num_machines: 2\n", "utf-8")
    environment = {"HF_HOME": str(tmp_path / "hf"), "PATH": ""}
    named = scan(Request((str(tmp_path / "project"),), directory=str(tmp_path), environment=environment))
    assert [launch.path for launch in named.launches] == [str(tmp_path / "project" / "a.yaml")]
    assert named.exports == (Export(str(tmp_path / "project" / "run.sh"), 1, "WANDB_DISABLED", "true"),)
    assert not named.skipped
    alone = scan(Request(directory=str(tmp_path), environment=environment))
    assert [launch.path for launch in alone.launches] == [str(default)]
    other = scan(Request((str(tmp_path / "project" / "b.yaml"),), directory=str(tmp_path), environment=environment))
    assert not other.skipped and not other.launches
