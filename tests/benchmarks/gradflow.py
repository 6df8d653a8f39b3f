"""Time of `gradflow`: what its statistics add to the backward pass."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.observe import observe
from netdoctor.probes import gradflow, gradient_passes
from netdoctor.probes.gradient_statistics import CallStatistics, ParameterStatistics
from tests.benchmarks.networks import batches, network
from tests.benchmarks.row import Row
from tests.benchmarks.timing import Stopwatch, processor_seconds

LIMIT = "backward pass"
REPEATS = 5


def rows() -> Iterator[Row]:
    """All statistics of all parameters and ReLU calls; their norms; then the naive way."""
    model, given = network("resnet50"), labelled(16)
    cost = 1 + added_share(model, given)
    yield Row("gradflow resnet50, every parameter and ReLU call", cost, LIMIT, 1.05)
    error = largest_error(network("resnet18"), labelled(8))
    yield Row("gradflow resnet18, largest relative error of a norm", error, "float64", 1e-5)
    naive = 1 + naive_share(model, given)
    yield Row("naive: resnet50, four .item() a parameter", naive, LIMIT)


def labelled(size: int) -> list[Batch]:
    """One batch of random images with random labels."""
    labels = torch.randint(1000, (size,), generator=torch.Generator().manual_seed(0))
    return [Batch((each.images,), {}, labels, size) for each in batches(1, size)]


def added_share(model: nn.Module, given: list[Batch]) -> float:
    """What the statistics cost, as a share of the backward pass: the median over some runs.

    The processor time inside the statistics' methods, divided by that of the backward pass less
    what of it is spent in them; both from the same run.
    """

    def share() -> float:
        inside, hooks, back = Stopwatch(), Stopwatch(), Stopwatch()
        with _timed(inside, hooks, back):
            gradflow.measure(model, given, Objective())
        return (inside.seconds + hooks.seconds) / (back.seconds - hooks.seconds)

    share()
    return statistics.median(share() for _ in range(REPEATS))


@contextmanager
def _timed(inside: Stopwatch, hooks: Stopwatch, back: Stopwatch) -> Iterator[None]:
    """The statistics run under two stopwatches, those called in backward under the second."""

    def observe_timed(
        model: nn.Module, on_call: Callable[..., None], *, on_gradient: Callable[..., None]
    ) -> Any:
        return observe(model, on_call, on_gradient=hooks.wrap(on_gradient))

    with (
        patch.object(ParameterStatistics, "update", inside.wrap(ParameterStatistics.update)),
        patch.object(CallStatistics, "update", inside.wrap(CallStatistics.update)),
        patch.object(gradient_passes, "backward", back.wrap(gradient_passes.backward)),
        patch.object(gradflow, "observe", observe_timed),
    ):
        yield


def largest_error(model: nn.Module, given: list[Batch]) -> float:
    """The largest relative error of a norm against the same gradient's norm in float64."""
    wanted: dict[int, float] = {}
    plain = ParameterStatistics.update

    def compared(self: ParameterStatistics) -> None:
        for place, each in enumerate(self.parameters):
            if each.grad is not None:
                wanted[place] = float(each.grad.double().norm())
        plain(self)

    with patch.object(ParameterStatistics, "update", compared):
        facts = gradflow.measure(model, given, Objective())
    names = [name for name, _ in model.named_parameters()]
    norms = {each.name: each.norm for each in facts.parameters}
    return max(abs(norms[names[place]] / norm - 1) for place, norm in wanted.items() if norm)


def naive_share(model: nn.Module, given: list[Batch]) -> float:
    """Four `.item()` a parameter after the backward pass, as a share of it."""
    model.train()
    shares = []
    for _ in range(3):
        model.zero_grad()
        loss = F.cross_entropy(model(*given[0].args), given[0].target)
        back = processor_seconds(lambda loss=loss: loss.backward())  # type: ignore[misc]
        gradients = [each.grad for each in model.parameters() if each.grad is not None]
        shares.append(processor_seconds(lambda each=gradients: item_each(each)) / back)  # type: ignore[misc]
    return statistics.median(shares)


def item_each(gradients: list[Tensor]) -> None:
    """Mean, largest, norm and NaN of every gradient, one after another."""
    for each in gradients:
        each.abs().mean().item(), each.abs().max().item(), each.norm().item()
        each.isnan().any().item()
