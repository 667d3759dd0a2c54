"""Writes doctor/signatures.json: which arguments and names the releases of the training libraries take and have.

    pip download --no-deps --dest WHEELS trl==0.17.0         # the last patch of every minor release of each library
    python tools/signatures.py WHEELS

Nothing of a wheel is imported: modules are read with `ast`, metadata as text.  What every release takes is left out.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

LIBRARIES = ("transformers", "trl", "peft", "accelerate", "datasets", "huggingface_hub")
CHOSEN = {
    "transformers": (
        "TrainingArguments", "Seq2SeqTrainingArguments", "Trainer", "Seq2SeqTrainer", "BitsAndBytesConfig",
        "DataCollatorForLanguageModeling", "DataCollatorForSeq2Seq", "DataCollatorWithPadding",
        "DataCollatorForTokenClassification", "EarlyStoppingCallback", "pipeline", "get_scheduler", "Adafactor",
    ),
}  # fmt: skip
"""Callables that are tabled, where that is not all that the root of the library gives."""
TAKEN = {
    "transformers.Trainer.train": ("trainer.py", "Trainer", "train"),
    "transformers.PreTrainedModel.from_pretrained": ("modeling_utils.py", "PreTrainedModel", "from_pretrained"),
    "transformers.PreTrainedTokenizerBase.from_pretrained": (
        "tokenization_utils_base.py", "PreTrainedTokenizerBase", "from_pretrained",
    ),
    "transformers.PreTrainedConfig.from_pretrained": (
        "configuration_utils.py", "Pre[Tt]rainedConfig", "from_pretrained|_?get_config_dict|_set_token_in_kwargs",
    ),
    "transformers.PreTrainedModel.save_pretrained": ("modeling_utils.py", "PreTrainedModel", "save_pretrained"),
    "transformers.PreTrainedModel.push_to_hub": ("utils/hub.py", "PushToHubMixin", "push_to_hub"),
}  # fmt: skip
"""Methods that swallow `**kwargs` and take out of them what they know."""
OPEN = frozenset({"load_dataset", "pipeline"})
"""Take any keyword and hand it on; what they name themselves is tabled."""
IMPLIED = frozenset(
    {"torch_dtype", "config", "state_dict", "proxies", "output_loading_info", "_from_auto", "_from_pipeline"}
)
MODULES = {
    "trl": ("trl", "trl.core", "trl.trainer", "trl.trainer.utils", "trl.models", "trl.extras"),
    "peft": ("peft", "peft.utils", "peft.tuners", "peft.tuners.lora", "peft.utils.other"),
    "accelerate": ("accelerate", "accelerate.utils", "accelerate.data_loader"),
    "datasets": ("datasets", "datasets.utils"),
    "huggingface_hub": (
        "huggingface_hub", "huggingface_hub.utils", "huggingface_hub.constants", "huggingface_hub.hf_api",
        "huggingface_hub.file_download", "huggingface_hub.utils._errors", "huggingface_hub.errors",
        "huggingface_hub.repository", "huggingface_hub.utils._headers",
    ),
}  # fmt: skip
"""Modules whose lost names are tabled; those of transformers are in releases.json."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Wheel:
    """One release: what it defines, under which names, and what it requires."""

    def __init__(self, path: Path) -> None:
        self.library, version = path.name.split("-")[:2]
        self.version = tuple(int(part) for part in version.split("."))
        self.minor = ".".join(map(str, self.version[:2]))
        self.archive = zipfile.ZipFile(path)
        self.files = [n for n in self.archive.namelist() if n.startswith(f"{self.library}/") and n.endswith(".py")]
        self.trees: dict[str, ast.Module] = {}
        self.defined: dict[str, ast.ClassDef | Function] = {}
        for name in sorted(self._searched(), key=lambda n: ("experimental" in n, n.count("/"), n), reverse=True):
            for node in self.tree(name).body:
                if isinstance(node, ast.ClassDef | Function):
                    self.defined[node.name] = node

    def _searched(self) -> list[str]:
        if self.library != "transformers":
            return [n for n in self.files if "/commands/" not in n and "/testing" not in n and "/test_utils" not in n]
        wanted = {
                  "trainer.py", "training_args.py", "trainer_seq2seq.py", "training_args_seq2seq.py", "optimization.py",
                  "trainer_callback.py", "utils/quantization_config.py", "data/data_collator.py",
                  "pipelines/__init__.py",
                  "modeling_utils.py", "tokenization_utils_base.py", "configuration_utils.py", "utils/hub.py",
                  "models/auto/auto_factory.py", "models/auto/tokenization_auto.py"}  # fmt: skip
        return [n for n in self.files if n.removeprefix("transformers/") in wanted]

    def tree(self, name: str) -> ast.Module:
        if name not in self.trees:
            self.trees[name] = ast.parse(self.archive.read(name))
        return self.trees[name]

    @property
    def transformers(self) -> str:
        """What the metadata requires of transformers, empty where nothing."""
        metadata = self.archive.read(next(n for n in self.archive.namelist() if n.endswith(".dist-info/METADATA")))
        lines = re.findall(r"(?m)^Requires-Dist: transformers *\(?([^;\n)]*)\)?(.*)$", metadata.decode())
        return next((spec.strip() for spec, extra in lines if "extra" not in extra), "")

    @property
    def root(self) -> set[str]:
        return self.bound(self.library)

    def file(self, module: str) -> str | None:
        base = module.replace(".", "/")
        return next((n for n in (f"{base}/__init__.py", f"{base}.py") if n in self.files), None)

    def bound(self, module: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """The names that `from module import NAME` can give."""
        file = self.file(module)
        if file is None or module in seen:
            return set()
        names: set[str] = set()
        for node in ast.walk(self.tree(file)):
            if isinstance(node, ast.ImportFrom):
                if not node.level and not (node.module or "").startswith(self.library):
                    continue
                for alias in node.names:
                    if alias.name == "*" and node.level:
                        names |= self.bound(self._relative(module, file, node), seen | {module})
                    else:
                        names.add(alias.asname or alias.name)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                names.add(node.value) if file.endswith("__init__.py") else None
        for node in self.tree(file).body:
            names |= set(_names(node))
        if file.endswith("__init__.py"):
            prefix = file.removesuffix("__init__.py")
            names |= {n[len(prefix) :].split("/")[0].removesuffix(".py") for n in self.files if n.startswith(prefix)}
        return names

    def _relative(self, module: str, file: str, node: ast.ImportFrom) -> str:
        parts = module.split(".") if file.endswith("__init__.py") else module.split(".")[:-1]
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, *([node.module] if node.module else [])])

    def arguments(self, name: str) -> tuple[set[str], bool] | None:
        """The keywords that a class or function takes, and whether any other; None where it is not defined."""
        node = self.defined.get(name)
        if node is None:
            return None
        if isinstance(node, Function):
            return _signature(node)
        return self._of_class(node, frozenset())

    def _of_class(self, node: ast.ClassDef, seen: frozenset[str]) -> tuple[set[str], bool]:
        own = next((n for n in node.body if isinstance(n, Function) and n.name == "__init__"), None)
        own = next((n for n in node.body if isinstance(n, Function) and n.name == "__new__"), own)
        if own is not None:
            return _signature(own)
        fields = {
            n.target.id
            for n in node.body
            if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name) and "init=False" not in ast.unparse(n)
        } if any("dataclass" in ast.unparse(d) for d in node.decorator_list) else set()  # fmt: skip
        open_ended = False
        for base in node.bases:
            inner = self.defined.get(ast.unparse(base).rpartition(".")[2])
            if isinstance(inner, ast.ClassDef) and inner.name not in seen:
                more, any_other = self._of_class(inner, seen | {node.name})
                fields, open_ended = fields | more, open_ended or any_other
            elif inner is None and ast.unparse(base) not in ("ABC", "object", "Enum"):
                open_ended = True  # another library's class: it is asked by itself
        return fields, open_ended

    def base(self, name: str) -> str:
        """The class of transformers that a class is derived from, for what its own signature leaves open."""
        node = self.defined.get(name)
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            last = ast.unparse(base).rpartition(".")[2]
            if last in ("TrainingArguments", "Trainer", "Seq2SeqTrainingArguments") and last not in self.defined:
                return f"transformers.{last}"
            if last in self.defined and (found := self.base(last)):
                return found
        return ""

    def taken(self, file: str, owner: str, method: str) -> set[str] | None:
        """The keywords that a method names or takes out of its `**kwargs`."""
        name = f"transformers/{file}"
        if name not in self.files:
            return None
        for node in self.tree(name).body:
            if isinstance(node, ast.ClassDef) and re.fullmatch(owner, node.name):
                found = [n for n in node.body if isinstance(n, Function) and re.fullmatch(method, n.name)]
                return set().union(*(_signature(f)[0] | set(_popped(f)) for f in found)) if found else None
        return None

    def handed(self) -> set[str]:
        """The keywords that the Trainer hands to a callback."""
        for node in ast.walk(self.tree("transformers/trainer_callback.py")):
            if isinstance(node, Function) and node.name == "call_event":
                calls = (call for call in ast.walk(node) if isinstance(call, ast.Call))
                return {k.arg for call in calls for k in call.keywords if k.arg}
        return set()


def _signature(function: Function) -> tuple[set[str], bool]:
    names = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)} - {"self", "cls"}
    for decorator in function.decorator_list:  # an old name that is still answered for
        if isinstance(decorator, ast.Call) and re.search(
            r"deprecate_kwarg|deprecated_arg", ast.unparse(decorator.func)
        ):
            names |= {a.value for a in decorator.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return names, function.args.kwarg is not None


def _popped(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and re.search(r"kwargs\.(pop|get)$", ast.unparse(node.func)) and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
        elif (
            isinstance(node, ast.For)
            and "kwargs.pop" in ast.unparse(node)
            and isinstance(node.iter, ast.List | ast.Tuple)
        ):
            yield from (e.value for e in node.iter.elts if isinstance(e, ast.Constant) and isinstance(e.value, str))
        elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant) and "kwargs" in ast.unparse(node):
            if isinstance(node.left.value, str):
                yield node.left.value


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | Function):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
    elif isinstance(node, ast.Import):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.If | ast.Try):
        for inner in (*node.body, *node.orelse, *(s for h in getattr(node, "handlers", ()) for s in h.body)):
            yield from _names(inner)


def spans(releases: list[str], there: Iterable[bool | None]) -> str:
    """The runs of releases with a name, `-0.17 0.20-`; where nothing is known (None) the run goes on."""
    found: list[list[str]] = []
    before = False
    for release, now in zip(releases, there, strict=True):
        if now is None:
            now = before
        if now and before:
            found[-1][1] = release
        elif now:
            found.append([release, release])
        before = now
    if found and found[0][0] == releases[0]:
        found[0][0] = ""
    if found and found[-1][1] == releases[-1]:
        found[-1][1] = ""
    return " ".join("-".join(span) for span in found)


def callables(wheels: list[Wheel], known: dict[str, set[str]]) -> dict[str, dict[str, str]]:
    """Callable -> the releases -> the arguments that only these take, less those `known` of its base."""
    library, minors = wheels[0].library, [wheel.minor for wheel in wheels]
    names = CHOSEN.get(library) or sorted(set().union(*(w.root & set(w.defined) for w in wheels)))
    found: dict[str, dict[str, str]] = {}
    for name in names:
        rows = [wheel.arguments(name) for wheel in wheels]
        if name in OPEN:
            rows = [
                row and (row[0] | set(_popped(w.defined[name])), False) for row, w in zip(rows, wheels, strict=True)
            ]
        if all(row is None or (row[1] and not wheels[-1].base(name)) for row in rows):
            continue
        based = [wheel.base(name) for wheel in wheels]
        inherited = next((b for b in reversed(based) if b), "")
        everything = set().union(*(row[0] for row in rows if row)) - known.get(inherited, set()) - IMPLIED
        takes = {
            argument: [
                None if row is None else argument in row[0] or (row[1] and not base)
                for row, base in zip(rows, based, strict=True)
            ]
            for argument in everything
        }  # fmt: skip
        table = _rows(minors, takes)
        if inherited:
            table["base"] = inherited
        if table:
            found[f"{library}.{name}"] = table
    for name in ("TrainingArguments", "Trainer"):
        base, derived = found.get(f"transformers.{name}"), found.get(f"transformers.Seq2Seq{name}")
        if base and derived:
            own = {spans: names for spans, names in derived.items() if base.get(spans) != names}
            found[f"transformers.Seq2Seq{name}"] = {**own, "base": f"transformers.{name}"}
    return found


def methods(wheels: list[Wheel]) -> dict[str, dict[str, str]]:
    """The same of the methods in TAKEN."""
    minors = [wheel.minor for wheel in wheels]
    found = {}
    for name, (file, owner, method) in TAKEN.items():
        rows = [wheel.taken(file, owner, method) for wheel in wheels]
        everything = set().union(*(row for row in rows if row)) - IMPLIED
        takes = {a: [None if row is None else a in row for row in rows] for a in everything if a != "kwargs"}
        found[name] = _rows(minors, takes)
    handed = [wheel.handed() for wheel in wheels]
    takes = {a: [a in row for row in handed] for a in set().union(*handed)}
    found["transformers.TrainerCallback"] = _rows(minors, takes)
    return found


def _rows(minors: list[str], takes: dict[str, list[bool | None]]) -> dict[str, str]:
    rows: dict[str, list[str]] = defaultdict(list)
    for argument, there in sorted(takes.items()):
        if not all(now is None or now for now in there) and not argument.startswith("_"):
            rows[spans(minors, there)].append(argument)
    return {key: " ".join(rows[key]) for key in sorted(rows)}


def names(wheels: list[Wheel]) -> dict[str, dict[str, str]]:
    """Module -> the releases -> the names that left it; "*" is the module itself."""
    library, minors = wheels[0].library, [wheel.minor for wheel in wheels]
    found: dict[str, dict[str, str]] = {}
    for module in MODULES.get(library, ()):
        has = [wheel.bound(module) if wheel.file(module) else None for wheel in wheels]
        takes: dict[str, list[bool | None]] = {"*": [bound is not None for bound in has]}
        for name in set().union(*(bound for bound in has if bound)):
            there: list[bool | None] = [None if bound is None else name in bound for bound in has]
            known = [now for now in there if now is not None]
            if any(a and not b for a, b in pairwise(known)) and re.fullmatch(r"[A-Za-z]\w+", name):
                takes[name] = there
        rows = _rows(minors, takes)
        if rows:
            found[module] = rows
    return found


def main(folder: str) -> None:
    """Read the wheels of a folder, write the table."""
    table: dict[str, dict[str, object]] = {"releases": {}, "requires": {}, "callables": {}, "names": {}}
    known: dict[str, set[str]] = {}
    for library in LIBRARIES:
        best: dict[tuple[int, ...], Path] = {}
        for path in Path(folder).glob(f"{library}-*.whl"):
            best[tuple(int(part) for part in path.name.split("-")[1].split("."))] = path
        wheels = [Wheel(best[version]) for version in sorted(best)]
        table["releases"][library] = [".".join(map(str, wheel.version)) for wheel in wheels]
        table["requires"][library] = {wheel.minor: wheel.transformers for wheel in wheels if wheel.transformers}
        table["callables"] |= callables(wheels, known)
        table["names"] |= names(wheels)
        if library == "transformers":
            table["callables"] |= methods(wheels)
            for name in ("TrainingArguments", "Seq2SeqTrainingArguments", "Trainer"):
                rows = [row for wheel in wheels if (row := wheel.arguments(name))]
                known[f"transformers.{name}"] = set().union(*(row[0] for row in rows))
    target = Path(__file__).parent.parent / "doctor" / "signatures.json"
    target.write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {_block(v)}" for k, v in table.items()) + "\n}\n", "utf-8")


def _block(value: dict[str, object]) -> str:
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in value.items()) + "\n }"


if __name__ == "__main__":
    main(sys.argv[1])
