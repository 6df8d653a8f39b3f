"""Memory of `deadneurons`: its peak above that of the plain forward pass, in fresh processes.

`python -m tests.benchmarks.statistics_memory WAY BATCHES` is one such process.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from netdoctor.probes import activations
from tests.benchmarks.networks import batches, forward, network
from tests.benchmarks.row import Row
from tests.benchmarks.timing import checked, peak_memory, run_python

LIMIT = "peak of the plain forward"
BATCH = 8
PROCESSES = 3
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": str(2**21)}


def rows() -> Iterator[Row]:
    """Extra MiB for few and many batches, and what storing the outputs takes."""
    plain = {count: _peak("plain", count) for count in (10, 40)}
    for count in plain:
        extra = _peak("measured", count) - plain[count]
        work = f"deadneurons resnet18, {count} batches of {BATCH}: extra peak memory in MiB"
        yield Row(work, max(0.0, extra), LIMIT, 20)
    extra = _peak("stored", 10) - plain[10]
    yield Row(f"naive: outputs stored, 10 batches of {BATCH}: extra peak in MiB", extra, LIMIT)


def _peak(way: str, count: int) -> float:
    """The median over some processes whose allocator gives large blocks back at once.

    Without that, holes in the heap make the peaks of one and the same work differ by 30 MiB.
    """
    arguments = ("-m", "tests.benchmarks.statistics_memory", way, str(count))
    runs = [run_python(*arguments, environment=GIVES_BACK) for _ in range(PROCESSES)]
    return statistics.median(float(checked(run)) for run in runs)


def _measure(model: nn.Module, count: int) -> None:
    activations.measure(model, batches(count, BATCH))


def _store(model: nn.Module, count: int) -> None:
    """Keeps each ReLU output of every batch and concatenates them at the end."""
    kept: dict[nn.Module, list[Tensor]] = {}

    def keep(module: nn.Module, args: Any, out: Tensor) -> None:
        kept.setdefault(module, []).append(out.clone())

    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(keep)
    forward(model, batches(count, BATCH))
    for outputs in kept.values():
        (
            torch.cat([each.flatten(1) for each in outputs if each.shape == outputs[0].shape]) > 0
        ).any(0)


def _run_plain(model: nn.Module, count: int) -> None:
    forward(model, batches(count, BATCH))


WAYS: dict[str, Callable[[nn.Module, int], None]] = {
    "plain": _run_plain,
    "measured": _measure,
    "stored": _store,
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](network("resnet18"), int(sys.argv[2]))
    print(peak_memory())
