"""The model folders whose code a plan rewrites, and what a verification of each needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from doctor import releases
from doctor.fix.plan import Edit, Plan
from doctor.model import Facts, ModelFacts, Source
from doctor.remote import Layout, in_snapshot
from doctor.verify.small import QUANTISED

AUTO = ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForImageTextToText", "AutoModelForVision2Seq")
"""The classes that generate, in the order of preference; others are asked for their first output alone."""
FLOAT = 4
ROOM = 1.5
"""RAM for a model of 32-bit weights, relative to the weights: the load holds some of them twice."""


@dataclass(frozen=True)
class Case:
    """One model, and the new texts of its code."""

    model: ModelFacts
    code: str
    """The folder its code is imported from: the model's own, or its copy in the modules cache."""
    after: Mapping[str, bytes]
    """Path below `code` to the bytes a fix would write."""
    paths: frozenset[str]
    """The files a fix would write for it."""

    @property
    def auto(self) -> tuple[str, str]:
        """The class of transformers that loads the model, and the folder's class; empty where there is none."""
        names = self.model.config.get("auto_map")
        known = names if isinstance(names, dict) else {}
        models = [name for name in (*AUTO, "AutoModel", *known) if str(name).startswith("AutoModel") and name in known]
        found = next((name for name in models if isinstance(known[name], str)), "")
        return (found, known[found].rpartition("--")[2]) if found else ("", "")

    @property
    def native(self) -> str:
        """The library's class of the same architecture, empty where no release has one."""
        names = self.model.config.get("architectures")
        for name in names if isinstance(names, list) else ():
            known = releases.native(str(name))
            if known is not None and self.model.config.get("model_type") in known[1]:
                return str(name)
        return ""

    def stored(self, free: int | None) -> tuple[tuple[str, ...], str]:
        """The weight files, as paths; or none, and why random weights take their place.  `free`: RAM in bytes."""
        config, files = self.model.config, self.model.files
        chosen = [name for name in files if name.endswith(".safetensors") and name.startswith("model")]
        chosen = chosen or [name for name in files if name.startswith("pytorch_model") and name.endswith(".bin")]
        if not chosen:
            return (), "its weights are not at hand"
        if config.get(QUANTISED):
            return (), "its weights are quantised"
        sizes = [_product(shape) for _, shape in self.model.tensors.values()]
        if not sizes:
            return (), "how large its weights are is not known before they are read"
        needed = int(sum(sizes) * FLOAT * ROOM)
        if free is None or needed > free:
            left = "an unknown amount" if free is None else f"{free / 2**30:.1f} GiB"
            return (), f"its weights would take {needed / 2**30:.1f} GiB of RAM, of which {left} is free"
        return tuple(str(PurePath(self.model.path, name)) for name in chosen), ""


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def cases(plan: Plan, facts: Facts) -> tuple[tuple[Case, ...], tuple[tuple[str, str], ...]]:
    """The cases of a plan, equal ones once, and the edits that belong to none, with the reason."""
    layout, models = Layout(facts), {model.path: model for model in facts.models}
    sources = {source.path: source for source in facts.sources}
    groups: dict[tuple[str, str], list[tuple[str, Edit]]] = {}
    none: list[tuple[str, str]] = []
    for edit in plan.edits:
        source = sources.get(edit.origin or edit.path)
        if source is None or source.kind != "remote-code":
            none.append((edit.path, "is a script, which is not run"))
        elif source.model not in models:
            none.append((edit.path, "no config.json is known that goes with it"))
        else:
            root = _root(source, layout)
            name = PurePath(source.path).relative_to(root).as_posix()
            groups.setdefault((str(source.model), root), []).append((name, edit))
    found: dict[object, Case] = {}
    for (model, root), edits in groups.items():
        after = {name: edit.data for name, edit in edits}
        key = model, frozenset(after.items())
        paths = frozenset(edit.path for _, edit in edits)
        known = found.get(key)
        found[key] = Case(
            models[model], known.code if known else root, after, paths | (known.paths if known else set())
        )
    return tuple(found.values()), tuple(none)


def _root(source: Source, layout: Layout) -> str:
    """The folder of the repository, or of its copy, that a file lies in."""
    of = in_snapshot(source.path) or layout.in_copy(source.path)
    if of is not None:
        return source.path[: -len(of.file) - 1]
    if source.model is not None and PurePath(source.path).is_relative_to(source.model):
        return source.model
    return str(PurePath(source.path).parent)
