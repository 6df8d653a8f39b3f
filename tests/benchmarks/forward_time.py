"""Time of `check-forward`: what its watch and its statistics add to the plain forward pass."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.observe import observe
from netdoctor.probes import forward as probe
from netdoctor.probes.call_rows import EVERYTHING
from tests.benchmarks.networks import ImageBatch, batches, forward, network
from tests.benchmarks.row import Row
from tests.benchmarks.timing import Stopwatch, processor_seconds, ratio_of_interleaved

LIMIT = "plain forward"
REPEATS = 3
BATCHES = 10


def rows() -> Iterator[Row]:
    """The watch alone, with the statistics of the first of ten batches, and the naive way."""
    for name, size in (("resnet18", 32), ("resnet50", 16)):
        model, given = network(name), list(batches(1, size))
        first, later = _shares(model, [as_batch(each.images) for each in given * 3])
        outside = _bookkeeping(model) / _plain(model, given)
        mean = (first + (BATCHES - 1) * later) / BATCHES
        for what, share, goal in (
            ("NaN/Inf watch on every call", later, 1.06),
            ("ten batches, statistics included", mean, None),
        ):
            yield Row(f"check-forward {name}, {what}", 1 + share + outside, LIMIT, goal)
    model, given = network("resnet18"), list(batches(1, 32))
    forward(model, iter(given))
    yield Row(
        "naive: resnet18, isfinite().all() on every output",
        ratio_of_interleaved(
            lambda: processor_seconds(lambda: _naive(model, given)),
            lambda: processor_seconds(lambda: forward(model, iter(given))),
            REPEATS,
        ),
        LIMIT,
    )


def _plain(model: nn.Module, given: list[ImageBatch]) -> float:
    return processor_seconds(lambda: forward(model, iter(given)))


def _shares(model: nn.Module, given: list[Batch]) -> tuple[float, float]:
    """What the callbacks add to the first batch and to a later one, as shares of the rest."""
    first, later = [], []
    for _ in range(REPEATS):
        times = _timed(model, given)
        first.append(times[0])
        later += times[1:]
    return statistics.median(first), statistics.median(later)


def _timed(model: nn.Module, given: list[Batch]) -> list[float]:
    """Of each batch the processor time inside the callbacks over that of the rest."""
    inside = Stopwatch()
    marks: list[tuple[float, float]] = []

    def mark(number: int = 0) -> None:
        marks.append((time.process_time(), inside.seconds))

    with _timed_callbacks(inside):
        mark()
        probe.measure(model, given, progress=mark)
    spans = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(marks)]
    return [spent / (total - spent) for total, spent in spans]


@contextmanager
def _timed_callbacks(inside: Stopwatch) -> Iterator[None]:
    """The probe's callbacks run under this stopwatch."""

    def observe_timed(model: nn.Module, on_call: Callable[..., None], **keywords: Any) -> Any:
        return observe(model, inside.wrap(on_call), **keywords)

    with patch.object(probe, "observe", observe_timed):
        yield


def _bookkeeping(model: nn.Module, repeats: int = 15) -> float:
    """What observe() itself costs for one forward pass, with a callback that does nothing."""
    tiny = list(batches(1, 1, pixels=32))

    def observed() -> float:
        with observe(model, lambda call: None, watch=EVERYTHING):
            return processor_seconds(lambda: forward(model, iter(tiny)))

    differences = [
        observed() - processor_seconds(lambda: forward(model, iter(tiny))) for _ in range(repeats)
    ]
    return max(0.0, statistics.median(differences))


def _naive(model: nn.Module, given: list[ImageBatch]) -> None:
    """A hook on every leaf that asks whether all is finite."""

    def look(module: nn.Module, args: Any, out: Tensor) -> None:
        bool(torch.isfinite(out).all())

    handles = [
        each.register_forward_hook(look) for each in model.modules() if not [*each.children()]
    ]
    forward(model, iter(given))
    for handle in handles:
        handle.remove()
