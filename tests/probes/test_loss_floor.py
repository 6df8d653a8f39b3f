"""Floors against the loss itself at the best predictions, found by a slow loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from netdoctor.probes.loss_floor import accuracy, floor_of, loss_call

GROUPS = np.array([0, 1, 0, 3, 1, 1])


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(*shape: int, classes: int = 4) -> Tensor:
    return torch.randint(classes, shape, generator=torch.Generator().manual_seed(1))


def lowest(loss: Callable[[Tensor], Tensor], output: Tensor, tied: Tensor) -> float:
    """The loss minimised over outputs that are equal where `tied` has equal numbers."""
    parts = int(tied.max()) + 1
    free = torch.zeros(parts, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([free], max_iter=2000, line_search_fn="strong_wolfe",
                                  tolerance_grad=1e-12, tolerance_change=1e-15)  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(free[tied].reshape(output.shape))
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)
    return closure().item()


def by_group(output: Tensor) -> Tensor:
    """Numbers that are equal at the same place of samples whose inputs are equal."""
    rows = output[0].numel()
    return torch.stack([torch.arange(rows) + int(group) * rows for group in GROUPS])


def by_channel(output: Tensor) -> Tensor:
    """Numbers that are equal wherever axis 1 is."""
    shape = (1, -1, *(1 for _ in output.shape[2:]))
    return torch.arange(output.shape[1]).reshape(shape).expand(output.shape).flatten()


CASES: dict[str, tuple[Callable[..., Tensor], Tensor, Tensor, dict[str, Any]]] = {
    "indices": (F.cross_entropy, random(6, 4), labels(6), {}),
    "summed": (F.cross_entropy, random(6, 4), labels(6), {"reduction": "sum"}),
    "dense": (F.cross_entropy, random(6, 4, 3, 2), labels(6, 3, 2), {}),
    "ignored": (
        F.cross_entropy, random(6, 4, 3), labels(6, 3).masked_fill(labels(6, 3) == 2, -100), {},
    ),
    "weighted": (
        F.cross_entropy, random(6, 4), labels(6), {"weight": random(4).exp()},
    ),
    "smoothed": (F.cross_entropy, random(6, 4), labels(6), {"label_smoothing": 0.2}),
    "smoothed-weighted-ignored": (
        F.cross_entropy, random(6, 4, 3), labels(6, 3),
        {"label_smoothing": 0.2, "weight": random(4).exp(), "ignore_index": 1},
    ),
    "soft": (F.cross_entropy, random(6, 4), random(6, 4, seed=2).softmax(1), {}),
    "soft-dense-smoothed": (
        F.cross_entropy, random(6, 4, 3), random(6, 4, 3, seed=2).softmax(1),
        {"label_smoothing": 0.1},
    ),
    "binary": (
        F.binary_cross_entropy_with_logits, random(6, 3), labels(6, 3, classes=2).double(), {},
    ),
    "binary-soft-weighted": (
        F.binary_cross_entropy_with_logits, random(6, 3), random(6, 3, seed=2).sigmoid(),
        {"pos_weight": random(3).exp(), "weight": random(3, seed=4).exp()},
    ),
    "squared": (F.mse_loss, random(6, 3), random(6, 3, seed=2), {}),
    "squared-pictures": (F.mse_loss, random(6, 3, 2, 2), random(6, 3, 2, 2, seed=2), {}),
    "squared-summed": (F.mse_loss, random(6, 1), random(6, 1, seed=2), {"reduction": "sum"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_no_output_gets_below_the_floor_and_the_best_one_reaches_it(name: str) -> None:
    loss, output, target, options = CASES[name]
    floor = floor_of(loss_call(loss, (output, target), options), GROUPS)
    assert floor is not None

    def value(output: Tensor) -> Tensor:
        return loss(output, target, **options)

    # Certain labels are reached at infinite logits only: there L-BFGS stops a little above.
    assert lowest(value, output, by_group(output)) == pytest.approx(floor.value, abs=1e-4)
    assert lowest(value, output, by_channel(output)) == pytest.approx(floor.ignorant, abs=1e-4)
    assert floor.value <= floor.ignorant + 1e-9


def test_absolute_errors_are_measured_from_the_median() -> None:
    target = torch.tensor([[0.0], [1.0], [4.0], [5.0], [1.0], [9.0]])
    floor = floor_of(loss_call(F.l1_loss, (torch.zeros(6, 1), target), {}), GROUPS)
    assert floor is not None
    assert floor.value == pytest.approx((4 + 8) / 6)  # groups {0, 4}, {1, 1, 9} and {5}
    assert floor.ignorant == pytest.approx((2.5 + 1.5 + 1.5 + 2.5 + 1.5 + 6.5) / 6)


def test_rows_that_are_not_a_whole_number_a_sample_are_told_apart() -> None:
    call = loss_call(F.cross_entropy, (random(7, 4), labels(7)), {})
    floor = floor_of(call, GROUPS)
    assert floor is not None
    assert floor.value == 0


def test_a_loss_of_each_sample_has_no_known_floor() -> None:
    call = loss_call(F.cross_entropy, (random(6, 4), labels(6)), {"reduction": "none"})
    assert floor_of(call, GROUPS) is None
    ignored = loss_call(F.cross_entropy, (random(6, 4), torch.full((6,), -100)), {})
    assert floor_of(ignored, GROUPS) is None


def test_right_predictions_are_counted() -> None:
    logits, target = random(6, 4, 5), labels(6, 5)
    right = sum(
        int(logits[n, :, d].argmax() == target[n, d])
        for n in range(6) for d in range(5) if target[n, d] != 2
    )  # fmt: skip
    call = loss_call(F.cross_entropy, (logits, target), {"ignore_index": 2})
    assert accuracy(call) == pytest.approx(right / int((target != 2).sum()))
    binary = loss_call(
        F.binary_cross_entropy_with_logits, (random(6, 3), (random(6, 3) > 0).double()), {}
    )
    assert accuracy(binary) == 1
    values = random(6, 1)
    assert accuracy(loss_call(F.mse_loss, (values.mean().expand(6, 1), values), {})) == (
        pytest.approx(0)
    )
