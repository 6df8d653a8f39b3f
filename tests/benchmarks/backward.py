"""Time of `check-forward --backward`: what looking at the gradients adds to a training step."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from unittest.mock import patch

import torch
from torch import nn

from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes import backward
from tests.benchmarks.networks import batches, network
from tests.benchmarks.row import Row
from tests.benchmarks.timing import processor_seconds, ratio_of_interleaved

LIMIT = "plain forward and backward"
REPEATS = 5


def rows() -> Iterator[Row]:
    """The healthy pass; then the naive way, anomaly detection."""
    model, given = network("resnet18"), labelled(2, 16)
    yield Row(
        "check-forward --backward resnet18, healthy", 1 + added_share(model, given), LIMIT, 1.05
    )
    yield Row(
        "naive: resnet18, torch.autograd.set_detect_anomaly(True)",
        ratio_of_interleaved(
            lambda: processor_seconds(lambda: anomaly_detection(model, given)),
            lambda: processor_seconds(lambda: training_pass(model, given)),
            REPEATS,
        ),
        LIMIT,
    )


def labelled(count: int, size: int, pixels: int = 224) -> list[Batch]:
    """Random images (N, 3, H, W) with class indices (N,)."""
    labels = torch.arange(size) % 1000
    return [as_batch((each.images, labels)) for each in batches(count, size, pixels)]


def training_pass(model: nn.Module, given: list[Batch]) -> None:
    """Forward and backward, gradients not kept: the limit."""
    objective = Objective()
    for batch in given:
        objective(batch.call(model), batch).backward()  # type: ignore[no-untyped-call]
        model.zero_grad()


def anomaly_detection(model: nn.Module, given: list[Batch]) -> None:
    """The same with a stack kept and every gradient read at every node."""
    with torch.autograd.set_detect_anomaly(True):
        training_pass(model, given)


def added_share(model: nn.Module, given: list[Batch]) -> float:
    """What looking adds, as a share of the plain passes: the median over some runs.

    The processor time of the look itself, divided by the rest of the same run; to it is added
    what observing costs around it, which is taken where it shows: on tiny images.
    """

    def share() -> float:
        inside = 0.0
        look = backward.all_finite

        def timed(tensors: object) -> bool:
            nonlocal inside
            result = False

            def run() -> None:
                nonlocal result
                result = look(tensors)  # type: ignore[arg-type]

            inside += processor_seconds(run)
            return result

        with patch.object(backward, "all_finite", timed):
            total = processor_seconds(lambda: examine(model, given))
        return inside / (total - inside)

    share()
    plain = processor_seconds(lambda: training_pass(model, given))
    around = _around_seconds(model) * len(given)
    return statistics.median(share() for _ in range(REPEATS)) + around / plain


def examine(model: nn.Module, given: list[Batch]) -> None:
    """The work; the gradients must be finite."""
    facts = backward.first_bad_gradient(model, given, Objective())
    assert facts.origin is None
    assert facts.batches == len(given)


def _around_seconds(model: nn.Module, repeats: int = 15) -> float:
    """What examining one batch costs beside the passes and the look itself."""
    tiny = labelled(1, 1, pixels=32)
    with patch.object(backward, "all_finite", lambda tensors: True):
        differences = [
            processor_seconds(lambda: examine(model, tiny))
            - processor_seconds(lambda: training_pass(model, tiny))
            for _ in range(repeats)
        ]
    return max(0.0, statistics.median(differences))
