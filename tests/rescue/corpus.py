"""Builds repositories of remote code from an installed transformers release, with what each model answers there.

Run by `table` with the release of origin on PYTHONPATH: `python corpus.py FOLDER [CASE...]`.  Each decoder-only model
of the release (architectures.py) becomes a folder with one repository `repo_*/`, the release's own files as remote code
with tiny random weights, and `reference.safetensors`: inputs, logits, greedy tokens, losses.  Nothing of transformers
is kept in this project.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from architectures import BORDER, FACTORS, MODELS, ONE_HEAD_EACH, SIZES, SPELLINGS

NEW_TOKENS = 8
STEPS = 4


def inputs() -> dict[str, Any]:
    """Three batches of token ids with their attention masks."""
    import torch

    numbers = torch.Generator().manual_seed(7)
    short = torch.randint(3, 256, (2, 10), generator=numbers)
    long = torch.randint(3, 256, (1, 24), generator=numbers)
    padded, seen = short.clone(), torch.ones_like(short)
    padded[0, :4] = seen[0, :4] = 0
    ones = torch.ones_like
    return {
        "short": short, "short_mask": ones(short),
        "padded": padded, "padded_mask": seen,
        "long": long, "long_mask": ones(long),
    }  # fmt: skip


def greedy(model: Any, ids: Any, mask: Any, use_cache: bool = True) -> tuple[Any, Any]:
    """The tokens the model generates by always taking the likeliest, and their scores, (new, batch, vocabulary)."""
    import torch

    settings = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False, "use_cache": use_cache}
    settings |= {"return_dict_in_generate": True, "output_scores": True}
    try:
        answer = model.generate(ids, attention_mask=mask, **settings)
    except ValueError as error:  # a model without an attention mask
        if "not used by the model" not in str(error) or not bool(mask.all()):
            raise
        answer = model.generate(ids, **settings)
    return answer.sequences, torch.stack(answer.scores).float().clamp(min=-1e4)  # the end of text is -inf


def losses(model: Any, ids: Any) -> Any:
    """The loss before each of a few steps of training."""
    import torch

    torch.manual_seed(0)  # some routers add noise
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    found = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model(ids, attention_mask=torch.ones_like(ids), labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        found.append(loss.detach())
    return torch.stack(found)


def gradients(model: Any, ids: Any) -> dict[str, Any]:
    """The gradients of one training step, without the cache."""
    import torch

    torch.manual_seed(0)
    model.zero_grad()
    model(ids, attention_mask=torch.ones_like(ids), labels=ids, use_cache=False).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def tied(model: Any) -> bool:
    """Whether the output embedding is the input embedding."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    return head is not None and head.weight.data_ptr() == embedding.weight.data_ptr()


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, model type and published words of RoPE of every case that the installed release can make."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    for kind in MODELS:
        if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
            yield kind.replace("-", "_"), kind, {}
    if "phi3" in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        yield from ((name, "phi3", published) for name, published in SPELLINGS.items())


def classes(kind: str) -> tuple[Any, Any, ModuleType, ModuleType]:
    """Configuration and model class of a model type, and the modules they are in."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES, model_type_to_module_name
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    package = f"transformers.models.{model_type_to_module_name(kind)}"
    leaf = package.rpartition(".")[2]
    configuration = importlib.import_module(f"{package}.configuration_{leaf}")
    modeling = importlib.import_module(f"{package}.modeling_{leaf}")
    config, model = CONFIG_MAPPING_NAMES[kind], MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[kind]
    return getattr(configuration, config), getattr(modeling, model), configuration, modeling


def tiny(config: Any, kind: str, own: dict[str, Any]) -> Any:
    """A small configuration without dropout."""
    taken = inspect.signature(config.__init__).parameters
    known = {*taken, *getattr(config, "attribute_map", {}), "attn_config", "ffn_config"}
    sizes = {name: value for value, names in SIZES.items() for name in names}
    given = {name: value for name, value in sizes.items() if name in taken or name.endswith("_token_id")}
    if kind in ONE_HEAD_EACH:
        given.pop("num_key_value_heads", None)
    given |= {name: 0.0 for name, p in taken.items() if "drop" in name and isinstance(p.default, float)}
    given |= {name: value for name, value in own.items() if name in known}
    return config(**{name: value for name, value in given.items() if value is not None})


def build(folder: Path, name: str, kind: str, published: dict[str, Any]) -> None:
    """Write one repository and its reference; the repository's name, which becomes a module's, is its own."""
    import torch
    import transformers
    from safetensors.torch import save_file

    config, model_class, *modules = classes(kind)
    scaled = "short_factor" in str(published)
    # The release of origin is asked in its own spelling, whatever config.json will say.
    native = "longrope" if '"longrope"' in inspect.getsource(modules[0]) else "su"
    words = {"rope_scaling": {"type": native, **FACTORS}, "original_max_position_embeddings": BORDER} if scaled else {}
    torch.manual_seed(0)
    model = model_class(tiny(config, kind, {**MODELS[kind], **words}))
    randomise(model)
    repository = folder / name / f"repo_{name}_{transformers.__version__}".replace(".", "_")
    model.eval().save_pretrained(repository, safe_serialization=True)
    model, told = model_class.from_pretrained(repository, output_loading_info=True)
    if told["missing_keys"]:
        raise ValueError(f"the release of origin does not read what it wrote: {told['missing_keys'][:3]}")
    kept = {module.__name__.rpartition(".")[2] for module in modules}
    package = modules[0].__name__.rpartition(".")[0]
    for module in modules:
        source = Path(inspect.getfile(module))
        (repository / source.name).write_text(remote(source.read_text("utf-8"), package, kept), "utf-8")
    publish(repository / "config.json", published, [(config, modules[0]), (model_class, modules[1])])
    save_file(reference(model), str(folder / name / "reference.safetensors"))


def randomise(model: Any) -> None:
    """Weights that are not those of an initialisation: one that is drawn anew shows."""
    import torch

    numbers = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=numbers)
            if parameter.dim() > 1 and "A_log" not in name and "conv" not in name:
                parameter.copy_(noise * 0.15)
            else:
                parameter.add_(noise * 0.05)


def remote(source: str, package: str, kept: set[str]) -> str:
    """A file of the library as an author publishes it: imports are absolute, but for the files beside it."""

    def absolute(found: re.Match[str]) -> str:
        head, dots, module, rest = found.groups()
        if len(dots) == 1 and module in kept:
            return found[0]
        parts = package.split(".")
        full = ".".join([*parts[: len(parts) + 1 - len(dots)], *([module] if module else [])])
        return f"{head}from {full}{rest}"

    return re.sub(r"(?m)^([ \t]*)from (\.+)([\w.]*)([ \t]+import\b)", absolute, source)


def publish(path: Path, published: dict[str, Any], found: list[tuple[Any, ModuleType]]) -> None:
    """Make config.json point to the files beside it and spell RoPE as wanted."""
    config = json.loads(path.read_text("utf-8"))
    words = ("rope_scaling", *(("rope_theta",) if "rope_parameters" in published else ())) if published else ()
    for name in ("_name_or_path", *words):
        config.pop(name, None)
    names = [f"{module.__name__.rpartition('.')[2]}.{one.__name__}" for one, module in found]
    config |= {**published, "architectures": [found[1][0].__name__]}
    config["auto_map"] = dict(zip(("AutoConfig", "AutoModelForCausalLM"), names, strict=True))
    path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def reference(model: Any) -> dict[str, Any]:
    """What the model answers in its release of origin; what fails there is left out and not asked of others."""
    import torch

    given = inputs()
    answers = dict(given)
    model.eval()
    for name in ("short", "padded", "long"):
        with torch.no_grad():
            answers[f"{name}_logits"] = model(given[name], attention_mask=given[f"{name}_mask"]).logits.float()
            answers |= attempted(generated, model, given[name], given[f"{name}_mask"], name) or {}
    answers["tied"] = torch.tensor(tied(model))
    answers["checkpoints"] = torch.tensor(checkpoints(model, given["short"]))
    found = attempted(losses, model, given["short"])
    answers |= {} if found is None else {"losses": found}
    return {name: tensor.contiguous().clone() for name, tensor in answers.items()}


def generated(model: Any, ids: Any, mask: Any, name: str) -> dict[str, Any]:
    """Tokens and scores of generation at the origin; those without the cache too, where they are others."""
    tokens, scores = greedy(model, ids, mask)
    answers = {f"{name}_tokens": tokens, f"{name}_scores": scores}
    without = attempted(greedy, model, ids, mask, False)
    if without is not None and (without[1] - scores).abs().max() > 1e-3:
        sys.stderr.write("at the origin: with its cache it says other than without\n")
        answers |= {f"{name}_tokens_uncached": without[0], f"{name}_scores_uncached": without[1]}
    return answers


def checkpoints(model: Any, ids: Any) -> bool:
    """Whether gradients under gradient checkpointing are the plain ones at the origin."""
    model.train()
    if (plain := attempted(gradients, model, ids)) is None or not model.supports_gradient_checkpointing:
        return False
    model.gradient_checkpointing_enable()
    saved = attempted(gradients, model, ids)
    model.gradient_checkpointing_disable()
    return (
        saved is not None
        and saved.keys() == plain.keys()
        and all((saved[name] - plain[name]).abs().max() <= 1e-4 for name in plain)
    )


def attempted(function: Any, *arguments: Any) -> Any:
    """What a function answers, None where the release of origin itself fails (told on stderr)."""
    try:
        return function(*arguments)
    except Exception as error:
        sys.stderr.write(f"at the origin: {type(error).__name__}: {str(error).splitlines()[:1]}\n")
        return None


def main(folder: Path, wanted: list[str]) -> None:
    """Build every case that is wanted and not there yet; each appears whole or not at all."""
    import torch
    import transformers

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name, kind, published in cases():
        if (folder / name).exists() or (wanted and name not in wanted):
            continue
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            build(partial, name, kind, published)
        except Exception:  # a model that its own release cannot make
            sys.stderr.write(f"transformers {transformers.__version__} cannot make {name}:\n{traceback.format_exc()}\n")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        (partial / name).rename(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
