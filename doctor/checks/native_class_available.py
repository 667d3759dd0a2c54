"""The architecture of the remote code is in transformers itself.

Why it matters: `trust_remote_code=True` prefers the copy in the repository, which was written for one old release
and is not maintained, to the library's class, which every release tests.  Most failures of remote code end here.

What to do: load without `trust_remote_code` (and delete `auto_map` from the config.json of a local copy).

Reference: https://huggingface.co/docs/transformers/model_doc/auto
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from doctor import releases
from doctor.model import Facts, Finding, Location, ModelFacts, Package, Remedy, Severity, check
from doctor.scaling import written

AUTO = {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}


def _facts(version: str = "5.23.0", **config: object) -> Facts:
    packages = {"transformers": Package("transformers", version)}
    return Facts(packages=packages, models=(ModelFacts("/models/phi3", config),))


@check(
    "remote-code",
    Severity.HINT,
    passes=[
        _facts(architectures=["Phi3ForCausalLM"], model_type="phi3"),
        _facts(architectures=["Phi3LikeForCausalLM"], model_type="phi3like", auto_map=AUTO),
        _facts(architectures=["Phi3ForCausalLM"], model_type="mine", auto_map=AUTO),
        _facts(architectures=["Phi3ForCausalLM"], model_type="phi3", auto_map={"AutoTokenizer": ["tok.Mine", None]}),
    ],
    fails=[
        _facts(architectures=["Phi3ForCausalLM"], model_type="phi3", auto_map=AUTO),
        _facts(
            "4.47.1", architectures=["Phi3ForCausalLM"], model_type="phi3", auto_map=AUTO, rope_scaling={"type": "su"}
        ),
        _facts("4.47.1", architectures=["Qwen3ForCausalLM"], model_type="qwen3", auto_map=AUTO),
    ],
)
def native_class_available(facts: Facts) -> Iterator[Finding]:
    """Compare the architectures of models that bring code with the classes of the releases."""
    for model in facts.models:
        config = model.config
        auto, names = config.get("auto_map"), config.get("architectures")
        if not isinstance(auto, dict) or not any(str(key).startswith("AutoModel") for key in auto):
            continue
        for name in names if isinstance(names, list) else ():
            native = releases.native(str(name))
            if native is not None and config.get("model_type") in native[1]:
                yield _finding(facts, model, str(name), native[0])
                break


def _finding(facts: Facts, model: ModelFacts, name: str, first: releases.Minor) -> Finding:
    release = facts.transformers
    since = f"{first[0]}.{first[1]}"
    message = f"brings its own copy of {name}, which transformers has itself since {since}"
    if releases.minor(release) >= first:
        advice = "load without `trust_remote_code`"
    else:
        message += f"; {release} is judged"
        advice = f"install transformers>={since} and load without `trust_remote_code`"
    return Finding(
        message,
        Remedy("advice", advice + _needs(facts, model)),
        Location(os.path.join(model.path, "config.json")),  # noqa: PTH118
    )


def _needs(facts: Facts, model: ModelFacts) -> str:
    """What the library's class wants of config.json that the remote one does not."""
    kind = written(model.config).get("type")
    if model.config.get("model_type") == "phi3" and kind in ("su", "yarn") and facts.transformers.major >= 5:
        return f'; write `"type": "longrope"` for "{kind}" in rope_scaling of config.json, which 4.47 reads as well'
    return ""
