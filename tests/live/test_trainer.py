"""Training on this release: the numbers of a loop written by hand, rows that do not see each other, runs that go on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]

Make = Callable[..., Any]
SYSTEM = "You know everyone in the house, and where each of them was born. Answer in one sentence."
"""A beginning that packed rows share."""


@pytest.fixture
def make(tiny: ModuleType, tiny_llama: Path, tmp_path: Path) -> Make:
    """Configurations of small runs on the CPU."""
    from doctor.trainer.config import read_config

    def configuration(name: str = "run", count: int = 11, system: str | None = None, **keys: Any) -> Any:
        rows = tiny.write_rows(tmp_path / "rows.jsonl", count)
        said = {
            "model": str(tiny_llama), "data": {"path": str(rows), "holdout": 0.2, "system": system}, "method": "lora",
            "device": "cpu",
            "lora": {"r": 4, "alpha": 8}, "epochs": 2, "accumulate": 4, "learning_rate": 5e-3, "samples": 0, **keys,
        }  # fmt: skip
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump({**said, "output": str(tmp_path / name)}), "utf-8")
        return read_config(file)

    return configuration


def metrics(config: Any) -> list[dict[str, float]]:
    """Every line of a run, less what is measured by the clock."""
    clocks = ("seconds", "tokens_per_second", "memory")
    lines = (Path(config.output) / "metrics.jsonl").read_text("utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in clocks} for line in lines]


def losses(config: Any) -> list[float]:
    return [line["loss"] for line in metrics(config) if "loss" in line]


def adapter(config: Any) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(str(Path(config.output) / "adapter/adapter_model.safetensors"))
    return found


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def by_hand(config: Any) -> tuple[list[float], dict[str, Any]]:
    """The same run as a loop over rows: torch's own loss over whole logits, and AdamW."""
    import torch
    from peft import get_peft_model_state_dict

    from doctor.trainer.build import build
    from doctor.trainer.data import prepare
    from doctor.trainer.model import load_tokenizer
    from doctor.trainer.plan import Plan

    prepared = prepare(config, load_tokenizer(config.model))
    plan = Plan(config, prepared.store, prepared.train)
    model = build(config).train()
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], config.learning_rate, weight_decay=0
    )
    told, micros = [], [micro for [micro] in plan]
    for update in range(plan.updates):
        rows = [
            row
            for micro in micros[update * config.accumulate : (update + 1) * config.accumulate]
            for line in micro.lines
            for row in line
        ]
        total, count = torch.zeros(()), 0
        for row in rows:
            ids, labels = (torch.tensor([part]) for part in prepared.store[row])
            logits = model(input_ids=ids).logits[0, :-1]
            total = total + torch.nn.functional.cross_entropy(logits, labels[0, 1:], reduction="sum")
            count += int((labels[0, 1:] != -100).sum())
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], config.max_grad_norm)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * (plan.updates - update) / plan.updates
        optimizer.step()
        optimizer.zero_grad()
        told.append(float(total.detach() / count))
    return told, get_peft_model_state_dict(model)


def test_a_run_is_the_loop_one_would_write(make: Make) -> None:
    from doctor.trainer.train import train

    config = make(count=13, save_every=100)
    result = train(config)
    told, weights = by_hand(config)
    assert (result["steps"], len(told)) == (6, 6), "10 rows in windows of 4: none is dropped"
    assert losses(config) == pytest.approx(told, abs=1e-5)
    assert apart(adapter(config), {name: value.detach() for name, value in weights.items()}) < 1e-5
    assert result["eval_loss"] < result["eval_loss_before"]


def test_batches_padding_and_packing_change_nothing(make: Make) -> None:
    from doctor.trainer.train import train

    config = make(epochs=1, max_steps=2)
    train(config)
    batched = make("batched", epochs=1, max_steps=2, batch=4, accumulate=1)
    train(batched)
    assert losses(batched) == pytest.approx(losses(config), abs=1e-5)
    assert apart(adapter(config), adapter(batched)) < 1e-5
    for attention, system in (("sdpa", None), ("eager", None), ("sdpa", SYSTEM), ("eager", SYSTEM)):
        # Every row in one line, in both: one update.
        one = make("one", max_steps=1, batch=16, accumulate=1, attention=attention, system=system)
        train(one, fresh=True)
        packed = make(
            "packed", max_steps=1, batch=16, accumulate=1, packing=True, max_length=500, attention=attention,
            system=system,
        )  # fmt: skip
        train(packed, fresh=True)
        assert losses(packed) == pytest.approx(losses(one), abs=1e-5)
        assert apart(adapter(one), adapter(packed)) < 1e-5
        measured = [[line["eval_loss"] for line in metrics(run) if "eval_loss" in line] for run in (one, packed)]
        assert measured[0] == pytest.approx(measured[1], abs=1e-5)


def test_packed_rows_that_see_each_other_are_refused(make: Make) -> None:
    import torch

    from doctor.settings import UsageError
    from doctor.trainer import packing
    from doctor.trainer.batch import Batches
    from doctor.trainer.build import build
    from doctor.trainer.data import prepare
    from doctor.trainer.loss import Loss
    from doctor.trainer.model import load_tokenizer

    config = make(packing=True)
    prepared, model = prepare(config, load_tokenizer(config.model)), build(config)
    loss, right = Loss(model), Batches(prepared.store, torch.float32, packing=True)
    packing.check(model, loss, right, prepared.train)
    wrong = Batches(
        prepared.store, torch.float32, packing=True, flash=True
    )  # which tells them apart by positions alone

    def careless(**inputs: Any) -> Any:
        inputs.pop("position_ids")
        return model(**inputs)

    careless.eval, careless.device = model.eval, model.device  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="does not keep packed rows apart"):
        packing.check(careless, loss, wrong, prepared.train)


def test_the_loss_of_chunks_and_of_the_whole(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from doctor.trainer import loss as losing
    from doctor.trainer.batch import Batches
    from doctor.trainer.build import build
    from doctor.trainer.data import prepare
    from doctor.trainer.model import load_tokenizer

    config = make(method="full")
    prepared, model = prepare(config, load_tokenizer(config.model)), build(config)
    batch = Batches(prepared.store, torch.float32).tensors([(row,) for row in prepared.train])
    monkeypatch.setattr(losing, "CHUNK", 7 * model.config.vocab_size)
    found = {}
    for name, loss in {"chunks": losing.Loss(model), "learnt": losing.Loss(model, chunked=False)}.items():
        model.zero_grad()
        total = loss(model, batch)
        total.backward()
        found[name] = float(total), {key: p.grad.clone() for key, p in model.named_parameters()}
        assert loss.chunked is (name == "chunks")
    model.zero_grad()
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    whole = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["targets"][:, 1:].flatten(), reduction="sum")
    whole.backward()
    for total, gradients in found.values():
        assert total == pytest.approx(float(whole), rel=1e-5)
        assert all(torch.allclose(gradients[key], p.grad, atol=1e-4) for key, p in model.named_parameters())


def test_every_way_to_train(make: Make) -> None:
    from doctor.trainer.model import load_run
    from doctor.trainer.train import train

    ways: list[dict[str, Any]] = [
        {"method": "full"},
        {"lora": {"r": 4, "dora": True, "rslora": True, "targets": ["q_proj", "v_proj"]}, "neftune": 5},
        {"offload": True, "group_by_length": True, "batch": 2, "scheduler": "cosine", "warmup": 0.5, "samples": 1},
    ]
    for number, way in enumerate(ways):
        config = make(f"way{number}", max_steps=2, sample_tokens=4, learning_rate=1e-3, **way)
        result = train(config)
        assert result["steps"] == 2
        assert result["eval_loss"] == pytest.approx(_held_out(config), abs=1e-4), "the folder holds what was measured"
        kept = Path(config.output) / ("model" if config.method == "full" else "adapter")
        settings = json.loads((kept / "tokenizer_config.json").read_text("utf-8"))
        assert settings["tokenizer_class"].startswith("PreTrainedTokenizer"), "every release reads it"
        if config.method == "full":
            told = json.loads((kept / "config.json").read_text("utf-8"))
            assert told["rope_theta"] == told["rope_parameters"]["rope_theta"] == 10000.0
    model, _ = load_run(Path(config.output), "cpu")
    assert model.peft_config["default"].r == 4
    [sample] = json.loads((Path(config.output) / "samples.json").read_text("utf-8"))
    assert sample["expected"] and sample["row"].startswith("rows.jsonl:")


def test_four_bits(make: Make) -> None:
    from doctor.settings import UsageError
    from doctor.trainer.model import RELEASE
    from doctor.trainer.train import train

    config = make(method="qlora", max_steps=2)
    if RELEASE.release < (4, 50):
        with pytest.raises(UsageError, match="quantises on a GPU only"):
            train(config)
        return
    result, whole = train(config), train(make("whole", max_steps=1))
    assert (result["steps"], result["parameters"]) == (2, whole["parameters"]), "not the bytes they are packed in"
    assert result["eval_loss"] == pytest.approx(_held_out(config), abs=1e-4)


def _held_out(config: Any) -> float:
    """The held-out loss of a run's folder, loaded anew."""
    import torch

    from doctor.trainer.batch import Batches
    from doctor.trainer.data import prepare
    from doctor.trainer.loss import Loss
    from doctor.trainer.model import load_run

    model, tokenizer = load_run(Path(config.output), "cpu")
    prepared = prepare(config, tokenizer)
    batch = Batches(prepared.store, torch.float32).tensors([(row,) for row in prepared.holdout])
    with torch.no_grad():
        return float(Loss(model)(model, batch)) / sum(prepared.store.learnt[row] for row in prepared.holdout)


def test_early_stopping_keeps_the_best(make: Make) -> None:
    from doctor.trainer.train import train

    config = make(epochs=30, learning_rate=0.2, early_stopping=2, accumulate=3)
    result = train(config)
    held = {line["step"]: line["eval_loss"] for line in metrics(config) if "eval_loss" in line and line["step"]}
    assert result["stopped_early"] and result["steps"] < result["planned"]
    assert result["best_step"] == min(held, key=lambda step: held[step]) < result["steps"]
    assert _held_out(config) == pytest.approx(result["eval_loss"], abs=1e-4)


def test_a_killed_run_goes_on_as_if_it_had_not_been(make: Make, tmp_path: Path) -> None:
    from doctor.settings import UsageError
    from doctor.trainer.train import train

    keys = {"lora": {"r": 4, "dropout": 0.1}, "neftune": 5, "save_every": 2, "epochs": 4, "count": 13}
    whole = make("whole", **keys)
    train(whole)
    killed = make("killed", **keys)
    command = [sys.executable, "-m", "doctor.trainer", str(tmp_path / "killed.yaml")]
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, cwd=tmp_path,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    file, end = Path(killed.output) / "metrics.jsonl", time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if file.exists() and '"step": 5' in file.read_text("utf-8"):
            break
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert '"step": 5' in file.read_text("utf-8"), process.stderr.read() if process.stderr else ""
    with pytest.raises(UsageError, match="holds a run already: go on with --resume"):
        train(killed)
    with pytest.raises(UsageError, match=r"--resume: learning_rate is 0\.1, and the run in"):
        train(killed.model_copy(update={"learning_rate": 0.1}), resume=True)
    train(killed, resume=True)
    assert metrics(killed) == metrics(whole)
    assert apart(adapter(killed), adapter(whole)) == 0


def test_a_process_that_is_ahead_is_no_earlier_run(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from doctor.settings import UsageError
    from doctor.trainer import train
    from doctor.trainer.run_folder import RunFolder

    config = make()
    folder = RunFolder(Path(config.output))
    for rank in (1, 0):
        monkeypatch.setattr(train, "RANK", rank)
        train._ready(folder, config, resume=False, fresh=False)
    train._ready(folder, config, resume=False, fresh=False)  # it ended before its first update
    (folder.checkpoints / "step-1").mkdir()
    with pytest.raises(UsageError, match="holds a run already"):
        train._ready(folder, config, resume=False, fresh=False)


def test_what_ends_a_run_before_it_begins_does_not_block_the_next(make: Make, tmp_path: Path) -> None:
    from doctor.settings import UsageError
    from doctor.trainer.train import train

    wrong = make(lora={"targets": ["q_proj", "qkv"]})
    with pytest.raises(UsageError, match=r"the model has no module 'qkv'; it has down_proj, .*q_proj, .*v_proj"):
        train(wrong)
    assert train(make(max_steps=1))["steps"] == 1
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write .*/file/run: Not a directory; set another output"):
        train(make().model_copy(update={"output": str(tmp_path / "file" / "run")}))


def test_a_loss_that_is_no_number_ends_the_run(make: Make) -> None:
    from doctor.settings import UsageError
    from doctor.trainer.train import train

    with pytest.raises(UsageError, match=r"the loss is (nan|inf) at update \d+: lower learning_rate"):
        train(make(learning_rate=1e30, max_grad_norm=0, epochs=4, data={"path": "rows.jsonl", "holdout": 0}))
