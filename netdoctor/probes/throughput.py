"""How fast a loader gives samples, where its time goes, and what more workers would bring."""

from __future__ import annotations

import copy
import dataclasses
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from netdoctor.facts.workers import ThroughputFacts
from netdoctor.inputs.loaders import random_states_kept
from netdoctor.probes.draws import Initialised
from netdoctor.probes.workers import last_line

_LEAST_BATCHES = 3
_PATIENCE = 20  # seconds for a batch, after which worker processes are taken to hang
_TRANSFORMS = ("transform", "transforms", "target_transform")
_NAN = float("nan")


def measure(
    source: Any, *, step: Callable[[], float] | None = None, budget: float = 1.0, seed: int = 0
) -> ThroughputFacts:
    """The rate of a loader, as it is and with other numbers of workers.

    Args:
        source: a `DataLoader`; it is not changed, but its data set is read from.
        step: gives the seconds of one training step of the model on one of its batches.
        budget: seconds for each rate and for the share of reading, transform and collating.
        seed: of the order in which samples are drawn.
    """
    if not isinstance(source, DataLoader):
        return ThroughputFacts(reason="no loader was given that could be timed")
    facts = ThroughputFacts(workers=source.num_workers, processors=_processors())
    try:
        with random_states_kept(source):
            return _measured(source, facts, step, budget, seed)
    except Exception as error:  # whatever a data set raises, here or in a worker
        return dataclasses.replace(facts, reason=f"the loader failed: {last_line(error)}")


def _measured(
    source: DataLoader[Any],
    facts: ThroughputFacts,
    step: Callable[[], float] | None,
    budget: float,
    seed: int,
) -> ThroughputFacts:
    size, rate = _rate(source, source.num_workers, budget, seed)
    if rate is None:
        reason = "the loader gives too few batches to time them"
        return dataclasses.replace(facts, reason=reason)
    rates = [(source.num_workers, rate)]
    for workers in _others(source):
        other = _rate(source, workers, budget, seed)[1]
        rates += [] if other is None else [(workers, other)]
    read, transform, collate = _shares(source, budget)
    return dataclasses.replace(
        facts,
        batch_size=size,
        rate=rate,
        read=read,
        transform=transform,
        collate=collate,
        rates=tuple(sorted(rates)),
        step=None if step is None else 1000 * step(),
    )


def _processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _others(source: DataLoader[Any]) -> list[int]:
    """Numbers of workers worth a try: none, and up to one a core."""
    most = max(_processors(), 1)
    tried = {0, 2, most} if most > 2 else {0, most}
    return sorted(tried - {source.num_workers})


def _rate(
    source: DataLoader[Any], workers: int, budget: float, seed: int
) -> tuple[float, float | None]:
    """Samples a batch and samples a second, the start left out; None where there are too few."""
    moments, sizes = [], []
    iterator = iter(_with_workers(source, workers, seed))
    began = time.perf_counter()
    try:
        for batch in iterator:
            moments.append(time.perf_counter())
            sizes.append(_samples(batch))
            if moments[-1] - began > 10 * budget:
                break
            if len(moments) > _LEAST_BATCHES and moments[-1] - moments[0] > budget:
                break
    finally:
        getattr(iterator, "_shutdown_workers", bool)()
    if len(moments) < _LEAST_BATCHES:
        return _NAN, None
    # What the workers had ready when the first batch came is not part of the steady state.
    ready = min(workers * (source.prefetch_factor or 2), len(moments) - _LEAST_BATCHES)
    seconds = moments[-1] - moments[ready]
    count = sum(sizes[ready + 1 :])
    return sum(sizes) / len(sizes), count / seconds if seconds > 0 else None


def _with_workers(source: DataLoader[Any], workers: int, seed: int) -> DataLoader[Any]:
    """The loader again, with another number of workers and an order of its own."""
    options: dict[str, Any] = {}
    if source.batch_sampler is not None and not isinstance(source.dataset, IterableDataset):
        options["batch_sampler"] = source.batch_sampler
    else:
        options["batch_size"] = source.batch_size
    if workers:
        options["multiprocessing_context"] = source.multiprocessing_context
        options["timeout"] = source.timeout or _PATIENCE
        options["prefetch_factor"] = source.prefetch_factor
        options["worker_init_fn"] = Initialised(source.dataset, source.worker_init_fn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of more processes than there are cores
        return DataLoader(
            source.dataset,
            num_workers=workers,
            collate_fn=source.collate_fn,
            generator=torch.Generator().manual_seed(seed),
            **options,
        )


def _samples(batch: Any) -> int:
    while isinstance(batch, (list, tuple, dict)) and len(batch):
        batch = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
    shape = getattr(batch, "shape", None)
    return int(shape[0]) if shape else 1


class _Timed:
    """A transform that adds up its time."""

    def __init__(self, function: Callable[..., Any], clock: list[float]) -> None:
        self.function = function
        self.clock = clock

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return self.function(*arguments, **named)
        finally:
            self.clock[0] += time.perf_counter() - began

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)


def _shares(source: DataLoader[Any], budget: float) -> tuple[float, float, float]:
    """Milliseconds a sample of reading, of the transform, and of collating, in this process."""
    dataset = source.dataset
    if isinstance(dataset, IterableDataset) or source.batch_sampler is None:
        return _NAN, _NAN, _NAN
    timed, clock = _with_clock(dataset)
    reading = collating = 0.0
    count = 0
    for indices in _batches(source):
        began = time.perf_counter()
        if hasattr(timed, "__getitems__"):
            samples = timed.__getitems__(indices)
        else:
            samples = [timed[index] for index in indices]
        read = time.perf_counter()
        source.collate_fn(samples)
        collating += time.perf_counter() - read
        reading += read - began
        count += len(indices)
        if reading + collating > budget:
            break
    if not count:
        return _NAN, _NAN, _NAN
    transform = clock[0] if clock else _NAN
    each = 1000 / count
    return (reading - (clock[0] if clock else 0)) * each, transform * each, collating * each


def _batches(source: DataLoader[Any]) -> Iterator[Sequence[Any]]:
    sampler: Any = source.batch_sampler
    yield from (list(indices) for indices in sampler)


def _with_clock(dataset: Any) -> tuple[Any, list[float]]:
    """A copy of the data set whose transform is timed, and the clock; as it is if it has none."""
    clock = [0.0]
    inner = getattr(dataset, "dataset", None)  # a Subset's
    if inner is not None and not hasattr(dataset, "transform"):
        timed, clock = _with_clock(inner)
        if not clock:
            return dataset, clock
        outer = copy.copy(dataset)
        outer.dataset = timed
        return outer, clock
    names = [name for name in _TRANSFORMS if callable(getattr(dataset, name, None))]
    if not names:
        return dataset, []
    timed = copy.copy(dataset)
    for name in names:
        setattr(timed, name, _Timed(getattr(dataset, name), clock))
    return timed, clock
