"""Time and memory of `lrfind` beside the bare training loop that it has to run anyway.

`python -m tests.benchmarks.lrfind_speed WAY` is one process whose peak memory is taken.
"""

from __future__ import annotations

import copy
import statistics
import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes import lrfind
from tests.benchmarks.networks import network
from tests.benchmarks.row import Row
from tests.benchmarks.timing import (
    checked,
    peak_memory,
    processor_seconds,
    ratio_of_interleaved,
    run_python,
)

RATES = np.geomspace(1e-7, 1e-2, 100)  # no divergence, so that both loops run to the end
REPEATS, PROCESSES = 5, 3
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": str(2**21)}


def rows() -> Iterator[Row]:
    """One sweep of 100 steps against the loop alone, small and large; then memory."""
    for name, model, pixels, batch in (
        ("resnet18", network("resnet18"), 32, 16),
        ("an MLP of 0.2 M weights", _mlp(), 8, 64),
    ):
        given = _batches(10, batch, pixels)
        ratio = _against_loop(model, given)
        yield Row(f"lrfind {name}, 100 steps", ratio, "bare training loop", 1.05)
    state = _mebibytes(network("resnet50"))
    extra = {way: _peak(way) - _peak("loop") for way in ("lrfind", "copied")}
    yield Row(
        "lrfind resnet50, 3 repeats: extra peak memory",
        max(0.0, extra["lrfind"]) / state,
        "the state to restore",
        1.1,
    )
    what = "naive: model and optimiser copied, 3 repeats: extra peak memory"
    yield Row(what, extra["copied"] / state, "the state to restore")


def _mlp() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Flatten(), nn.Linear(192, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(256, 10))


def _batches(count: int, size: int, pixels: int) -> list[Batch]:
    source = torch.Generator().manual_seed(0)
    return [
        Batch(
            (torch.randn(size, 3, pixels, pixels, generator=source),),
            {},
            torch.randint(10, (size,), generator=source),
            size,
        )
        for _ in range(count)
    ]


def _against_loop(model: nn.Module, given: list[Batch]) -> float:
    state = copy.deepcopy(model.state_dict())

    def loop() -> float:
        seconds = processor_seconds(lambda: bare_loop(model, given))
        model.load_state_dict(state)
        return seconds

    def measured() -> float:
        return processor_seconds(lambda: sweep(model, given, repeats=1))

    loop(), measured()
    return ratio_of_interleaved(measured, loop, REPEATS)


def bare_loop(model: nn.Module, given: list[Batch]) -> list[float]:
    """What anybody would write: one step a rate, the loss read each time."""
    model.train()
    optimizer, losses = torch.optim.SGD(model.parameters(), 1.0, momentum=0.9), []
    for step, rate in enumerate(RATES.tolist()):
        batch = given[step % len(given)]
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = F.cross_entropy(model(*batch.args), batch.target)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return losses


def sweep(model: nn.Module, given: list[Batch], repeats: int) -> None:
    """The range test."""
    lrfind.measure(model, lambda number: given, Objective(), RATES, repeats=repeats)


def _copied(model: nn.Module, given: list[Batch]) -> None:
    """The usual way: state dicts of model and optimiser copied, and loaded after each repeat."""
    optimizer = torch.optim.SGD(model.parameters(), 1.0, momentum=0.9)
    for weight in model.parameters():
        optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    for _ in range(3):
        bare_loop(model, given)
        model.load_state_dict(saved[0])
        optimizer.load_state_dict(saved[1])


def _mebibytes(model: nn.Module) -> float:
    tensors = (*model.parameters(), *model.buffers())
    return sum(each.numel() * each.element_size() for each in tensors) / 2**20


def _peak(way: str) -> float:
    """The median over some processes whose allocator gives large blocks back at once."""
    arguments = ("-m", "tests.benchmarks.lrfind_speed", way)
    runs = [run_python(*arguments, environment=GIVES_BACK) for _ in range(PROCESSES)]
    return statistics.median(float(checked(run)) for run in runs)


WAYS: dict[str, Callable[[nn.Module, list[Batch]], object]] = {
    "loop": bare_loop,
    "lrfind": lambda model, given: sweep(model, given, repeats=3),
    "copied": _copied,
}

if __name__ == "__main__":
    RATES = RATES[:6]
    WAYS[sys.argv[1]](network("resnet50"), _batches(2, 2, 32))
    print(peak_memory())
