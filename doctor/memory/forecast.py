"""All that `doctor fit` says of one model: the stages by release, what fits the card, the settings to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.version import Version

from doctor.memory.dimensions import text_config
from doctor.memory.fitting import Recipe, Row, context, first_fit, quant_of, stages, table
from doctor.memory.loading import load
from doctor.memory.run import Estimate, Method, Run
from doctor.memory.shape import Shape, shape_of
from doctor.memory.storage import fuses_experts
from doctor.model import ModelFacts

METHODS: tuple[Method, ...] = ("qlora", "lora", "full")
SYNCHRONOUS = "HF_DEACTIVATE_ASYNC_LOAD"
"""The variable that makes transformers 5 read weights one by one."""
FULL = "full training is taken with weights, gradients and optimizer state in bfloat16, without an fp32 master copy"
OFF = ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Forecast:
    """What was worked out; the table and the settings are those of the last release."""

    name: str
    shape: Shape
    run: Run
    card: int | None
    """Bytes free on the GPU, None where none is known."""
    limit: int
    """Tokens that the model was made for."""
    estimates: tuple[Estimate, ...]
    rows: tuple[Row, ...]
    choice: tuple[Recipe, Run] | None
    variables: tuple[str, ...]
    """`NAME=value` without which the load does not fit."""
    notes: tuple[str, ...]

    @property
    def released(self) -> tuple[str, ...]:
        """The releases, in the order they were asked for."""
        return tuple(dict.fromkeys(estimate.transformers for estimate in self.estimates))


def forecast(
    model: ModelFacts,
    run: Run,
    releases: Sequence[Version],
    card: int | None,
    methods: Sequence[Method] = METHODS,
    name: str | None = None,
) -> Forecast:
    """Work out everything; raises ValueError where the model's config.json does not say enough."""
    shape = shape_of(model)
    limit = context(text_config(model.config))
    last = releases[-1]
    runs = [run if method == run.method else replace(run, method=method, quant=quant_of(method)) for method in methods]
    choice = None if card is None else first_fit(shape, run, last, card, limit)
    return Forecast(
        name or model.repository or model.path.rstrip("/").rpartition("/")[2],
        shape,
        run,
        card,
        limit,
        tuple(estimate for release in releases for estimate in stages(shape, run, release, card)),
        tuple(table(shape, runs, last, card, limit)),
        choice,
        _variables(shape, run, releases, card),
        (*_notes(shape, run, last, model), *([FULL] if "full" in methods else [])),
    )


def asynchronous(variables: Mapping[str, str]) -> bool:
    """Whether reader threads may run ahead, by the environment's variables."""
    return variables.get(SYNCHRONOUS, "").lower() in OFF


def _variables(shape: Shape, run: Run, releases: Sequence[Version], card: int | None) -> tuple[str, ...]:
    """What must be set for the load to fit, where that is all it takes."""
    if card is None:
        return ()
    helped = any(
        not load(shape, run, release, card).fits(card)
        and load(shape, replace(run, asynchronous=False), release, card).fits(card)
        for release in releases
    )
    return (f"{SYNCHRONOUS}=1",) if helped else ()


def _notes(shape: Shape, run: Run, release: Version, model: ModelFacts) -> tuple[str, ...]:
    """What the figures rest on, and what was not looked at."""
    notes = []
    if not shape.measured:
        notes.append("the shapes follow from config.json: no safetensors header is there to read them from")
    if not shape.measured and "text_config" in model.config:
        notes.append("what the model sees or hears with is not counted: config.json does not give its shapes")
    if not shape.known:
        family = shape.dimensions.family or "this architecture"
        notes.append(f"the activations of {family} are taken for those of its shapes: the interval is wide")
    if shape.quantised:
        notes.append(f"the checkpoint is quantised already ({shape.quantised}): its own bytes are counted")
    if shape.of("expert") and fuses_experts(shape, release) and run.quant != "none":
        notes.append(
            f"transformers {release} keeps experts in one tensor a layer, which bitsandbytes leaves in 16 bits"
        )
    if shape.dimensions.eager:
        notes.append(
            "its attention is capped, so the whole attention matrix is there, which grows with the square of the length"
        )
    return tuple(notes)
