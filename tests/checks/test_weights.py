"""Weights and buffers that a load with transformers 5 loses without a word."""

from __future__ import annotations

import pytest

from doctor.diagnose import diagnose
from doctor.model import Facts, Finding, Package, Severity, Source

INIT, BUFFER = "init-overwrites-loaded-weights", "buffer-left-uninitialised"
MODEL = "class Own(PreTrainedModel):\n    def _init_weights(self, module):\n        {}\n"
ROTARY = "class Rotary(nn.Module):\n    def __init__(self, dim):\n        super().__init__()\n        {}\n"
INV_FREQ = "1.0 / 10000 ** (torch.arange(0, dim, 2) / dim)"


def find(text: str, version: str = "5.0.0", kind: str = "remote-code") -> tuple[Finding, ...]:
    source = Source("modeling.py", kind, text)  # type: ignore[arg-type]
    packages = {"transformers": Package("transformers", version)}
    return diagnose(Facts(sources=(source,), packages=packages), select=[INIT, BUFFER]).findings


@pytest.mark.parametrize(
    "statement",
    [
        "module.weight.data.normal_(mean=0.0, std=0.02)",
        "module.bias.data.zero_()",
        "module.weight.data[module.padding_idx].zero_()",
        "nn.init.xavier_uniform_(module.weight.data)",
        "module.weight.data = torch.zeros(4)",
        "module.dt_proj.bias.copy_(inv_dt)",
        "if isinstance(module, nn.Linear): module.weight.data.normal_()",
        "with torch.no_grad(): module.weight.fill_(1.0)",
    ],
)
def test_writes_that_do_not_ask(statement: str) -> None:
    found = find(MODEL.format(statement))
    assert [(finding.id, finding.severity) for finding in found] == [(INIT, Severity.ERROR)]


@pytest.mark.parametrize(
    "statement",
    [
        "nn.init.normal_(module.weight, std=0.02)",
        "init.zeros_(module.bias)",
        "module.inv_freq.copy_(table)",
        "if not getattr(module.weight, '_is_hf_initialized', False): module.weight.data.normal_()",
        "module.reset_parameters()",
        "super()._init_weights(module)",
        "x = module.weight.data.mean()",
    ],
)
def test_writes_that_are_guarded(statement: str) -> None:
    assert find(MODEL.format(statement)) == ()


def test_one_finding_a_class_at_its_first_write() -> None:
    (finding,) = find(MODEL.format("module.weight.data.normal_()\n        module.bias.data.zero_()"))
    assert finding.where is not None and finding.where.line == 3


def test_only_models_that_transformers_initialises() -> None:
    plain = MODEL.replace("PreTrainedModel", "nn.Module").format("module.weight.data.normal_()")
    assert find(plain) == ()
    child = "class Base(transformers.PreTrainedModel): pass\n" + MODEL.replace("PreTrainedModel", "Base")
    assert find(child.format("module.weight.data.normal_()"))
    assert find(MODEL.format("module.weight.data.normal_()"), kind="script") == ()


@pytest.mark.parametrize(
    ("version", "severities"),
    [("4.47.1", [Severity.WARNING]), ("5.1.0", [Severity.ERROR]), ("5.2.0", []), ("5.23.0", [])],
)
def test_releases_that_run_it_after_the_load(version: str, severities: list[Severity]) -> None:
    assert [finding.severity for finding in find(MODEL.format("module.weight.data.normal_()"), version)] == severities


HOLDER = (
    "class Attention(nn.Module):\n    def __init__(self):\n"
    '        self.register_buffer("bias", torch.ones(4), persistent=False)\n'
)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("for name, p in module.named_parameters():\n            p.data.normal_()", 1),
        ("if isinstance(module, Attention):\n            module.weight.data.normal_()", 1),
        ("if isinstance(module, (nn.Linear, nn.Embedding)):\n            module.weight.data.normal_()", 0),
    ],
)
def test_later_releases_still_run_it_on_modules_with_a_buffer(statement: str, found: int) -> None:
    ids = [finding.id for finding in find(HOLDER + MODEL.format(statement), "5.23.0")]
    assert ids.count(INIT) == found


@pytest.mark.parametrize(
    "statement",
    [
        f'self.register_buffer("inv_freq", {INV_FREQ}, persistent=False)',
        f'self.register_buffer("inv_freq", {INV_FREQ}, False)',
        f"self.register_buffer('inv_freq', tensor={INV_FREQ}, persistent=False)",
        f'self.register_buffer(\n            "inv_freq",\n            {INV_FREQ},\n'
        "            persistent=False,\n        )",
        f"self.inv_freq = {INV_FREQ}",
        "self.scale = torch.sqrt(torch.tensor(2.0))",
        "self.mask = torch.tril(torch.ones(4, 4)).view(1, 1, 4, 4)",
    ],
)
def test_tensors_that_are_garbage_after_the_load(statement: str) -> None:
    found = find(ROTARY.format(statement))
    assert [(finding.id, finding.severity) for finding in found] == [(BUFFER, Severity.ERROR)]
    assert [f.severity for f in find(ROTARY.format(statement), "4.57.6")] == [Severity.WARNING]


@pytest.mark.parametrize(
    "statement",
    [
        f'self.register_buffer("inv_freq", {INV_FREQ})',
        f'self.register_buffer("inv_freq", {INV_FREQ}, persistent=True)',
        'self.register_buffer("inv_freq", None, persistent=False)',
        '_doctor_register_buffer(self, "inv_freq", torch.arange(4))  # persistent=False',
        "self.weight = nn.Parameter(torch.ones(4))",
        "self.scale = torch.sqrt(torch.tensor(2.0)).item()",
        "self.dtype = torch.get_default_dtype()",
        "self.rates = [x.item() for x in torch.linspace(0, 1, 4)]",
        'with torch.device("cpu"):\n            self.table = torch.arange(4)',
        "scale = torch.tensor(2.0)",
    ],
)
def test_tensors_that_survive(statement: str) -> None:
    assert find(ROTARY.format(statement)) == ()


def test_a_buffer_that_init_weights_fills_again() -> None:
    text = ROTARY.format(f'self.register_buffer("inv_freq", {INV_FREQ}, persistent=False)')
    refill = MODEL.format("if isinstance(module, Rotary): module.inv_freq.copy_(table(module.dim))")
    assert find(text + refill) == ()
    assert find(text + MODEL.format("if isinstance(module, Rotary): module.other.copy_(1)"))


def test_a_buffer_that_forward_makes_anew() -> None:
    text = ROTARY.format(f"self.inv_freq = {INV_FREQ}")
    assert find(text + "    def forward(self, x):\n        self.inv_freq = table(x)\n        return x\n") == ()


def test_a_tensor_of_something_that_is_no_module() -> None:
    assert find(ROTARY.replace("nn.Module", "Dataset").format("self.order = torch.arange(4)")) == ()
