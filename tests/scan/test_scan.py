"""The scan as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from doctor.scan import Request, scan


def test_an_environment_and_its_caches(place: Any) -> None:
    place.distribution(place.venv(), "transformers", "5.23.0")
    place.put(f"hf/modules/transformers_modules/a/b/{place.commit}/modeling_x.py", "x = 1")
    place.put("cwd/datasets.py")
    variables = {"VIRTUAL_ENV": str(place.root / "venv"), "HF_HOME": str(place.root / "hf"), "HF_TOKEN": "hf_x"}
    facts = place.scan(environment=variables)
    assert str(facts.transformers) == "5.23.0"
    assert [source.repository for source in facts.sources] == ["a/b"]
    assert (facts.project, facts.directory) == (("datasets.py",), str(place.root / "cwd"))
    assert facts.variables == {**variables, "HF_TOKEN": "(set)"}
    assert facts.modules_cache == str(place.root / "hf/modules")
    assert facts.skipped == ()


def test_a_target_leaves_the_caches_out(place: Any) -> None:
    place.put(f"hf/modules/transformers_modules/a/b/{place.commit}/modeling_x.py", "x = 1")
    facts = place.scan(place.put("train.py", "x = 1"), environment={"HF_HOME": str(place.root / "hf")})
    assert [source.path for source in facts.sources] == [str(place.root / "train.py")]
    assert facts.targets == (str(place.root / "train.py"),)


def test_the_project_is_what_it_lets_python_import(place: Any) -> None:
    for name in ("train.py", "evaluate/__init__.py", "datasets/train.jsonl", "notes.txt"):
        place.put(f"cwd/{name}")
    assert place.scan().project == ("evaluate", "train.py")


def test_a_hugging_face_home_as_a_target_has_its_own_caches(place: Any) -> None:
    place.put(f"hf/modules/transformers_modules/a/b/{place.commit}/modeling_x.py", "x = 1")
    facts = place.scan(place.root / "hf")
    assert facts.modules_cache == str(place.root / "hf/modules")
    assert facts.hub_cache == str(place.root / "home/.cache/huggingface/hub")
    (place.root / "hf/hub").mkdir()
    assert place.scan(place.root / "hf/modules").hub_cache == str(place.root / "hf/hub")


def test_no_caches_at_all(place: Any) -> None:
    facts = place.scan()
    assert (facts.sources, facts.models, facts.skipped) == ((), (), ())


def test_caches_that_are_files(place: Any) -> None:
    place.put("hf/hub")
    place.put("hf/modules/transformers_modules")
    skips = place.skips(place.scan(environment={"HF_HOME": str(place.root / "hf")}))
    assert list(skips) == ["hf/modules/transformers_modules", "hf/hub"]


def test_a_working_directory_that_is_gone(place: Any) -> None:
    facts = scan(Request(directory=str(place.root / "gone"), environment={"HOME": str(place.root), "PATH": ""}))
    assert facts.project == ()
    assert [skip.id for skip in facts.skipped] == [str(place.root / "gone")]


def test_the_defaults_are_this_process_s(own_home: Path) -> None:
    facts = scan(Request())
    assert (facts.directory, facts.hub_cache) == (str(Path.cwd()), str(own_home / ".cache/huggingface/hub"))


def test_nothing_heavy_is_imported_and_nothing_scanned_is_run(place: Any) -> None:
    site = place.venv()
    for name in ("torch", "transformers"):
        place.distribution(site, name, "9.0")
        place.put(site / name / "__init__.py", f"open({str(place.root / 'ran')!r}, 'w')")
    place.put(site / "sitecustomize.py", f"open({str(place.root / 'ran')!r}, 'w')")
    place.put(site / "x.pth", f"import os; os.mkdir({str(place.root / 'ran')!r})\n")
    place.put("p/train.py", f"open({str(place.root / 'ran')!r}, 'w')")
    code = (
        "import sys\nfrom doctor.scan import Request, scan\n"
        f"facts = scan(Request(({str(place.root / 'p')!r},), python={str(place.root / 'venv')!r}))\n"
        "assert set(facts.packages) == {'torch', 'transformers'} and len(facts.sources) == 1\n"
        "heavy = {'torch', 'transformers', 'libcst', 'packaging', 'pydantic', 'huggingface_hub', 'pynvml', 'email'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    variables = {**os.environ, "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)
    assert done.stdout.split() == []
    assert not (place.root / "ran").exists()
