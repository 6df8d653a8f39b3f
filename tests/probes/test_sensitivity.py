"""An output that ignores its input is found, with the call that made it constant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import floats
from numpy.typing import NDArray
from torch import Tensor, nn

from netdoctor.api.activations import activations
from netdoctor.inputs.batches import as_batch
from netdoctor.inputs.model import LoadedModel
from netdoctor.probes.sensitivity import variation
from sample_models import shapes
from sample_models.faults import fault
from tests.probes.tried import Between, found, noise, seeded, skipped


class Constant(nn.Module):
    """What comes before, in the middle and after, for an output that cannot vary."""

    def __init__(self, middle: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fc1, self.fc2, self.head = nn.Linear(10, 16), nn.Linear(16, 16), nn.Linear(16, 4)
        self.gate = nn.Parameter(torch.zeros(1))
        self.middle = middle

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc2(self.middle(self.fc1(x).relu())))


CONSTANT: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "dead relu": (lambda x: (x - 100).relu(), "/relu#2"),
    "in place": (lambda x: (x - 100).relu_(), "/relu#2"),
    "saturated sigmoid": (lambda x: (x + 1000).sigmoid(), "/sigmoid#1"),
    "saturated tanh": (lambda x: (x + 1000).tanh(), "/tanh#1"),
    "zeros like it": (torch.zeros_like, "/zeros_like#1"),
    "times zero": (lambda x: x * 0, "/mul#1"),
    "times zero in place": (lambda x: x.mul_(0), "/mul#1"),
    "a clamp": (lambda x: x.clamp(5, 6), "/clamp#1"),
    "softmax over one": (lambda x: x.sum(1, keepdim=True).softmax(1).expand(-1, 16),
                         "/softmax#1"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTANT)
@pytest.mark.parametrize("fresh", [False, None])
def test_what_makes_the_output_constant_is_named(name: str, fresh: bool | None) -> None:
    middle, site = CONSTANT[name]
    assert found(seeded(lambda: Constant(middle)), noise(10), fresh=fresh) == [("ACT004", site)]


def test_a_side_branch_that_is_constant_is_not_to_blame() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.head = nn.Linear(10, 8), nn.Linear(10, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.one(x) + (self.two(x) - 100).relu()
            return self.head(x.sigmoid() * 0)

    assert found(seeded(Branches), noise(10)) == [("ACT004", "/mul#1")]


class Ignores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.answer.expand(len(x), 4)


def test_a_forward_that_ignores_its_input_is_found() -> None:
    assert found(seeded(Ignores), noise(10)) == [("ACT004", "(model)")]


@pytest.mark.parametrize("name", ["sick_dead_layer", "sick_bias", "sick_functional", "sick_clamp"])
def test_sample_networks_with_a_dead_layer_answer_a_constant(name: str) -> None:

    batches = [as_batch(next(iter(shapes.test_loader())))]
    assert found(fault(name).factory(), batches) == [("ACT004", fault(name).where)]


def zeroed(model: nn.Module) -> nn.Module:
    nn.init.zeros_(model.head.weight)
    return model


def test_weights_of_zero_are_skipped() -> None:
    model = zeroed(seeded(lambda: Between(nn.ReLU())))
    assert "head#1 are exactly zero" in skipped(model, noise(10), "input-insensitive", fresh=None)

    class Gated(Constant):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.gate.tanh() * self.fc1(x))

    model = seeded(lambda: Gated(nn.Identity()))
    assert "exactly zero" in skipped(model, noise(10), "input-insensitive", fresh=None)
    assert "fresh" in skipped(model, noise(10), "input-insensitive", fresh=True)


class Offset(nn.Module):
    """A regressor of large values that vary little, or of values of very unequal size."""

    def __init__(self, offset: Tensor) -> None:
        super().__init__()
        self.fc = nn.Linear(10, 3)
        self.register_buffer("offset", offset)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) + self.offset


@pytest.mark.parametrize("offset", [[1e4], [1e5, 0.0, 0.0], [1e9, 1e9, 0.0]])
def test_regressors_with_a_large_mean_are_healthy(offset: list[float]) -> None:
    assert found(seeded(lambda: Offset(torch.tensor(offset))), noise(10)) == []


def test_a_confident_classifier_is_only_constant_on_these_samples() -> None:
    class Confident(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (30 * (x - 1)).mean(1, keepdim=True).sigmoid()

    ramps = torch.linspace(-900, 1000, 10) + torch.rand(16, 1)
    assert float(Confident()(ramps).min()) == 1.0
    reason = skipped(Confident(), [as_batch(ramps + ramps.new_zeros(16, 10))], "input-insensitive")
    assert "shuffled" in reason


def test_a_narrow_output_that_is_silent_by_chance_is_skipped() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(10, 2), nn.ReLU()))
    nn.init.constant_(model[0].bias, -50.0)
    for state in ({"fresh": None}, {"synthetic": True}):
        assert "by chance" in skipped(model, noise(10), "input-insensitive", **state)
    assert found(model, noise(10)) == [("ACT004", "1#1")]


def test_activations_judges_it_too() -> None:
    sick = seeded(lambda: Constant(CONSTANT["times zero"][0]))
    batches = [batch.args[0] for batch in noise(10, count=3)]
    report = activations(LoadedModel(sick, "sick", torch.device("cpu"), fresh=False), batches)
    assert ("ACT004", "/mul#1") in [(each.code, each.subject) for each in report.findings]
    well = activations(seeded(lambda: Between(nn.ReLU())), iter(batches))
    assert list(well.findings) == []
    assert "input-insensitive" in well.ran
    assert well.facts.samples == 96


@given(arrays(np.float32, (5, 6), elements=floats(-1e6, 1e6, width=32)))
def test_the_variation_is_the_range_over_the_magnitude(values: NDArray[np.float32]) -> None:
    exact = values.astype(np.float64)
    ranges = [
        (column.max() - column.min()) / max(abs(column).max(), np.finfo(np.float32).tiny)
        for column in exact.T
    ]
    assert variation(torch.from_numpy(values)) == pytest.approx(max(ranges), rel=1e-5, abs=1e-6)
