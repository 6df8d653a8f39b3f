"""What `check-loader` asks of worker processes: their draws, and their speed beside the model's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader

from netdoctor.errors import NetDoctorError
from netdoctor.facts.workers import ThroughputFacts, WorkerFacts
from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.inputs.model import LoadedModel
from netdoctor.inputs.objective import Objective
from netdoctor.inputs.scan import LoaderSource
from netdoctor.observe.preserve import preserved
from netdoctor.probes import throughput, workers

_STEPS = 3
_LONG = 0.5  # seconds of a step from which one is enough


def draws_of(source: LoaderSource) -> WorkerFacts:
    """What the workers of a loader draw; netdoctor's own reading of files draws nothing."""
    loader = source.loader
    dataset = getattr(loader, "dataset", loader)
    if type(dataset).__module__.startswith("netdoctor."):
        return WorkerFacts(reason="the files are read as they are, without anything random")
    return workers.measure(loader if source.ready else dataset, seed=source.seed)


def speed_of(source: LoaderSource, loaded: LoadedModel | None, loss: str | None) -> ThroughputFacts:
    """How fast the user's own loader is, beside a training step where there is a model."""
    if not source.ready or not isinstance(source.loader, DataLoader):
        return ThroughputFacts(reason="no loader was given that could be timed")
    step = None if loaded is None else _step(source, loaded, loss)
    return throughput.measure(source.loader, step=step, seed=source.seed, budget=0.5)


def _step(
    source: LoaderSource, loaded: LoadedModel, loss: str | None
) -> Callable[[], float] | None:
    """Times a training step on the first batch; None where the model and it do not fit."""
    images = loaded.input_style == "images"
    objective = Objective(loss)
    try:
        raw = next(iter(source.batches(1))).raw
        batch = as_batch(raw, loaded.module, images=images).to(loaded.device)
        first = _seconds(loaded, objective, batch)  # it also allocates and compiles
    except (NetDoctorError, StopIteration, RuntimeError):
        return None
    steps = _STEPS if first < _LONG else 1
    return lambda: sorted(_seconds(loaded, objective, batch) for _ in range(steps))[steps // 2]


def _seconds(loaded: LoadedModel, objective: Objective, batch: Batch) -> float:
    """Seconds of one forward and backward pass in training mode; the model is left as found."""
    with preserved(loaded.module), torch.enable_grad():
        loaded.module.train()
        trained = [each for each in loaded.module.parameters() if each.requires_grad]
        _wait(loaded.device)
        began = time.perf_counter()
        value: Any = objective(batch.call(loaded.module), batch)
        if trained and value.requires_grad:
            torch.autograd.grad(value, trained, allow_unused=True)
        _wait(loaded.device)
        return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
