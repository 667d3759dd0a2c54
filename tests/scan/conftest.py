"""Environments, caches and model folders, made on the spot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from doctor.model import Facts, Source
from doctor.scan import Request, scan


class Place:
    """Writes the files of one test below a folder, and scans them in an environment that is not the user's."""

    commit = "0123456789abcdef0123456789abcdef01234567"
    older = "fedcba9876543210fedcba9876543210fedcba98"
    digest = "8e2e35c685ff6b88"
    auto_map = {"AutoConfig": "configuration_x.XConfig", "AutoModelForCausalLM": "modeling_x.XForCausalLM"}

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str | Path, content: str | bytes = "") -> Path:
        """A file, with the folders it lies in."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def model(self, folder: str, **config: Any) -> Path:
        """A model folder that holds a config.json."""
        self.put(f"{folder}/config.json", json.dumps({"model_type": "x", **config}))
        return self.root / folder

    def venv(self, folder: str = "venv", minor: str = "3.11", **settings: str) -> Path:
        """The site-packages of a virtual environment."""
        lines = {"home": "/usr/bin", "version": f"{minor}.7", **settings}
        lines["include-system-site-packages"] = lines.pop("system_site", "false")
        self.put(f"{folder}/pyvenv.cfg", "".join(f"{k} = {v}\n" for k, v in lines.items()))
        return self.prefix(folder, minor)

    def prefix(self, folder: str, minor: str = "3.11") -> Path:
        """The site-packages of an installation."""
        self.put(f"{folder}/bin/python")
        site = self.root / folder / "lib" / f"python{minor}" / "site-packages"
        site.mkdir(parents=True)
        return site

    def distribution(self, site: Path, name: str, version: str, *requires: str) -> Path:
        """The metadata folder of an installed distribution."""
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        self.put(folder / "METADATA", "\n".join([*lines, "", "Requires-Dist: not-a-field", "A description.", ""]))
        return folder

    def scan(
        self, *targets: str | Path, environment: Mapping[str, str] | None = None, cwd: str = "cwd", **request: Any
    ) -> Facts:
        """The facts, seen from a working directory, with nothing on PATH."""
        variables = {"HOME": str(self.root / "home"), "PATH": "", **(environment or {})}
        folder = self.root / cwd
        folder.mkdir(exist_ok=True, parents=True)
        return scan(Request(tuple(map(str, targets)), directory=str(folder), environment=variables, **request))

    def source(self, facts: Facts, ending: str) -> Source:
        """The one source whose path ends so."""
        (found,) = [source for source in facts.sources if source.path.endswith(ending)]
        return found

    def skips(self, facts: Facts) -> dict[str, str]:
        """What was skipped, by its path below the folder of the test; each once."""
        skips = {skip.id.removeprefix(f"{self.root}/"): skip.reason for skip in facts.skipped}
        assert len(skips) == len(facts.skipped)
        return skips


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
