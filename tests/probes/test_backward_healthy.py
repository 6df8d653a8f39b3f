"""Gradients of healthy networks are finite, and finiteness agrees with numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from netdoctor.facts.backward import BackwardFacts, Range
from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes.backward import first_bad_gradient
from netdoctor.probes.backward_graph import all_finite, range_of
from tests.healthy import HEALTHY, Healthy


def examined(model: nn.Module, inputs: Tensor) -> BackwardFacts:
    return first_bad_gradient(model, [as_batch(inputs)], Objective(seed=0))


@pytest.mark.parametrize("each", HEALTHY, ids=lambda each: each.name)
def test_healthy_networks_have_finite_gradients(each: Healthy) -> None:
    def objective(output: Any, batch: Batch) -> Tensor:
        return each.loss(output, batch.target)

    batches = [as_batch(batch) for batch in each.batches(2, 8, 0)]
    assert first_bad_gradient(each.fresh(), batches, objective) == BackwardFacts(None, 2)


@pytest.mark.parametrize(
    ("name", "pixels"), [("resnet18", 32), ("googlenet", 64), ("mobilenet_v3_small", 64)]
)
def test_networks_of_torchvision_have_finite_gradients(name: str, pixels: int) -> None:
    torch.manual_seed(0)
    extra = {"init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, **extra)
    image = torch.randn(1, 3, pixels, pixels)
    assert examined(model, image) == BackwardFacts(None, 1)


def test_transformer_encoders_have_finite_gradients() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2)
    assert examined(model, torch.randn(3, 5, 8)) == BackwardFacts(None, 1)


VALUES = [0.0, -1.5, 3e38, 3e38, math.inf, -math.inf, math.nan]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64, torch.complex64])
def test_finiteness_and_ranges_agree_with_numpy(dtype: torch.dtype) -> None:
    source = np.random.default_rng(0)
    for _ in range(50):
        values = source.choice(VALUES, size=(2, 3), p=[0.3, 0.3, 0.15, 0.15, 0.04, 0.03, 0.03])
        tensor = torch.tensor(values).to(dtype)
        plain = tensor.real.double().numpy()
        assert all_finite([None, torch.ones(2), tensor]) == bool(np.isfinite(plain).all())
        found = range_of(tensor)
        assert found is not None
        if not dtype.is_complex:
            _agrees(found, plain)


def _agrees(found: Range, plain: Any) -> None:
    finite = plain[np.isfinite(plain)]
    assert (found.nan, found.inf) == (np.isnan(plain).sum(), np.isinf(plain).sum())
    assert (found.zeros, found.count) == ((plain == 0).sum(), plain.size)
    assert found.finite == (len(finite) == plain.size)
    if len(finite):
        assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    else:
        assert math.isnan(found.minimum)


def test_a_sum_that_overflows_is_no_infinity() -> None:
    assert all_finite([torch.full((4,), 3e38), torch.full((4,), 6e4).half()])
    assert all_finite([])
