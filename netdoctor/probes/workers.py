"""Asks several worker processes for the same samples, twice, and compares what they drew."""

from __future__ import annotations

import dataclasses
import math
import random
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, default_collate

from netdoctor.facts.workers import RepeatedDraws, WorkerFacts
from netdoctor.inputs.user_code import describe
from netdoctor.probes.draws import GLOBAL, Draw, Draws, Initialised, IterableDraws, as_it_is
from netdoctor.probes.picklable import unpicklable

_EPOCHS = 2
_MOST_WORKERS = 4
_INDICES = 4  # samples that are drawn again and again
_LEAST_ROUNDS = 3
_LONG = 5  # times the budget, after which there are no more rounds however few there were
_MOST_ROUNDS = 24
_STREAMED = 16  # samples of an iterable data set that are compared
_TIMEOUT = 15
_SPAWN_TIMEOUT = 60  # each process imports torch first
_PREFETCHED = 2  # requests a worker, before any draw
_CHANCE = 1e-4  # below it, draws that agree do not agree by chance
_HOLDERS = {
    np.random.Generator: "a NumPy Generator",
    np.random.RandomState: "a NumPy RandomState",
    random.Random: "a random.Random",
    torch.Generator: "a torch.Generator",
}


class _SlowError(Exception):
    """Too few draws to compare."""


Passes = list[dict[int, list[Draw]]]
"""By epoch and worker, the draws in order."""


def measure(source: Any, *, seed: int = 0, budget: float = 0.7) -> WorkerFacts:
    """What the worker processes of a loader draw when they are asked for the same samples.

    Args:
        source: a `DataLoader` or a data set; neither is changed, nor used in this process, where
            a generator that a data set makes when it is first used would be made for all workers.
        seed: of the processes' seeds.
        budget: seconds that one process may draw for in an epoch, roughly.
    """
    loader = source if isinstance(source, DataLoader) else None
    dataset = loader.dataset if loader is not None else source
    start = None if loader is None else loader.multiprocessing_context
    facts = WorkerFacts(
        configured=None if loader is None else loader.num_workers,
        iterable=isinstance(dataset, IterableDataset),
        unpicklable=unpicklable(source),
        spawned=_start_method(start) != "fork",
    )
    if not facts.iterable and not hasattr(dataset, "__getitem__"):
        return _not_compared(facts, "the data are no data set that workers could share")
    if facts.spawned and facts.unpicklable:
        return _not_compared(facts, "the data set cannot be given to a spawned process")
    workers = min(max(2, loader.num_workers if loader is not None else 2), _MOST_WORKERS)
    try:
        if facts.iterable:
            passes = _iterable_passes(dataset, loader, workers, seed)
            varied, repeated, unsure = _repeated_streams(passes)
        elif not _size(dataset):
            return _not_compared(facts, "the data set is empty")
        else:
            passes = _passes(dataset, loader, workers, budget, seed)
            persistent = loader is not None and loader.persistent_workers
            varied, repeated, unsure = _repeated(passes, dataset, persistent)
    except _SlowError as error:
        return _not_compared(facts, str(error))
    except Exception as error:  # whatever a data set raises, here or in a worker
        return _not_compared(facts, f"a worker failed: {last_line(error)}")
    draws = max((len(each) for one in passes for each in one.values()), default=0)
    return dataclasses.replace(
        facts, compared=workers, random=varied, draws=draws, repeated=repeated, unsure=unsure
    )


def _size(dataset: Any) -> int:
    return len(dataset)


def _not_compared(facts: WorkerFacts, reason: str) -> WorkerFacts:
    return dataclasses.replace(facts, reason=reason)


def last_line(error: Exception) -> str:
    """What happened in the worker: its traceback is the error's text."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines and lines[0].startswith("Caught ") else describe(error)


def _start_method(context: Any) -> str:
    if context is None:
        return str(torch.multiprocessing.get_start_method())
    return str(context if isinstance(context, str) else context.get_start_method())


def _requests(size: int, workers: int, budget: float) -> Iterator[tuple[int, bool]]:
    """Requests, each once for every worker: the same few samples, as often as the time allows.

    The clock starts with the first request that waits for a draw: starting processes is no drawing.
    """
    began, given = math.inf, 0
    for number in range(_MOST_ROUNDS):
        passed = time.perf_counter() - began
        if passed > (budget if number >= _LEAST_ROUNDS else _LONG * budget):
            return
        for index in range(_INDICES):
            for fixed in (False, True):
                for _ in range(workers):
                    if given == _PREFETCHED * workers:
                        began = time.perf_counter()
                    given += 1
                    yield size * index // _INDICES, fixed


def _passes(
    dataset: Any, loader: DataLoader[Any] | None, workers: int, budget: float, seed: int
) -> Passes:
    collate = loader.collate_fn if loader is not None else None
    if collate is default_collate or (loader is not None and loader.batch_sampler is None):
        collate = None
    draws = Draws(dataset, collate)
    requests = _requests(_size(dataset), workers, budget)
    first = _epoch(draws, dataset, loader, workers, seed, requests)
    if min(map(len, first.values())) < 2 * 2 * _INDICES:
        raise _SlowError("its samples take too long to be drawn again and again")
    again = list(_requests(_size(dataset), workers, math.inf))[: sum(map(len, first.values()))]
    return [first, _epoch(draws, dataset, loader, workers, seed + 1, again)]


def _iterable_passes(
    dataset: Any, loader: DataLoader[Any] | None, workers: int, seed: int
) -> Passes:
    draws = IterableDraws(dataset, _STREAMED)
    return [_epoch(draws, dataset, loader, workers, seed + number) for number in range(_EPOCHS)]


def _epoch(
    draws: Any,
    dataset: Any,
    loader: DataLoader[Any] | None,
    workers: int,
    seed: int,
    requests: Iterable[tuple[int, bool]] | None = None,
) -> dict[int, list[Draw]]:
    """What each worker drew, the user's worker_init_fn obeyed."""
    by_worker: dict[int, list[Draw]] = defaultdict(list)
    context = getattr(loader, "multiprocessing_context", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of more processes than there are cores
        probe: DataLoader[Draw] = DataLoader(
            draws,
            batch_size=None,
            sampler=requests,
            num_workers=workers,
            prefetch_factor=_PREFETCHED,
            collate_fn=as_it_is,
            worker_init_fn=Initialised(dataset, getattr(loader, "worker_init_fn", None)),
            multiprocessing_context=context,
            generator=torch.Generator().manual_seed(seed),
            timeout=_TIMEOUT if _start_method(context) == "fork" else _SPAWN_TIMEOUT,
        )
        iterator = iter(probe)
    try:
        for draw in iterator:
            by_worker[draw.worker].append(draw)
    finally:
        getattr(iterator, "_shutdown_workers", bool)()  # at once, also after an error
    return by_worker


Compared = tuple[bool, tuple[RepeatedDraws, ...], str]
"""Whether anything is random, what came again, and why that proves nothing."""


def _repeated_streams(passes: Passes) -> Compared:
    """An iterable data set that gives every worker the same samples."""
    streams = [[draw.fields for draw in draws] for draws in passes[0].values()]
    if len(streams) < 2 or not all(streams):
        return False, (), "the data set gave samples to one worker only"
    if len(set(map(repr, streams[0]))) < 2:
        return False, (), "all samples are alike"
    same = all(stream == streams[0] for stream in streams[1:])
    again = [[draw.fields for draw in draws] for draws in passes[1].values()] == streams
    source = "the iterable data set, which gives each worker the whole of its samples"
    return True, ((RepeatedDraws(source, True, again),) if same else ()), ""


def _repeated(passes: Passes, dataset: Any, persistent: bool) -> Compared:
    found = list(_repeated_globals(passes, persistent))
    varied, held, unsure = _repeated_held(passes, dataset, persistent)
    natural = any(
        _varies(draws[0::2], field)
        for one in passes
        for draws in one.values()
        for field in draws[0].fields
    )
    return varied or natural, (*found, *held), unsure


def _repeated_globals(passes: Passes, persistent: bool) -> Iterator[RepeatedDraws]:
    """Global generators that the samples use and that start alike in every worker or epoch."""
    for number, name in enumerate(GLOBAL):
        drawn = [draws[0::2] for one in passes for draws in one.values()]
        if not any(_advances(draws, number) for draws in drawn):
            continue
        first = [{w: draws[0].before[number] for w, draws in one.items()} for one in passes]
        workers = all(len(set(one.values())) == 1 for one in first)
        epochs = not persistent and all(one == first[0] for one in first[1:])
        if workers or epochs:
            yield RepeatedDraws(name, workers, epochs)


def _advances(draws: Sequence[Draw], number: int) -> bool:
    """Whether samples draw from a global generator, and do not seed it themselves."""
    used = any(draw.before[number] != draw.after[number] for draw in draws)
    return used and len({draw.after[number] for draw in draws}) > len(draws) // 2


def _repeated_held(passes: Passes, dataset: Any, persistent: bool) -> Compared:
    """Generators of the user's own: what varies though the global ones are held still."""
    fixed = [{w: draws[1::2] for w, draws in one.items()} for one in passes]
    fields = list(next(iter(fixed[0].values()))[0].fields)
    varying = [f for f in fields if any(_varies(d, f) for one in fixed for d in one.values())]
    if not varying:
        return False, (), ""
    alike = {f: _alike(fixed, f) for f in varying}
    workers = [f for f in varying if alike[f][0]]
    epochs = [f for f in varying if alike[f][1] and not persistent]
    if not workers and not epochs:
        return True, (), ""
    if all(_by_chance(fixed, f) > _CHANCE for f in {*workers, *epochs}):
        return True, (), "what the samples draw varies too rarely to be told from chance"
    source = _holder(dataset)
    both = RepeatedDraws(source, bool(workers), bool(epochs), tuple(workers or epochs))
    return True, (both,), ""


def _varies(draws: Sequence[Draw], field: str) -> bool:
    """Whether the same sample comes out differently in one worker."""
    seen = _by_index(draws, field)
    return any(len(set(values)) > 1 for values in seen)


def _by_index(draws: Sequence[Draw], field: str) -> list[list[bytes]]:
    """The values of a field for each index that was asked for in turn."""
    values = [draw.fields.get(field, b"") for draw in draws]
    return [values[number::_INDICES] for number in range(_INDICES)]


def _alike(fixed: Passes, field: str) -> tuple[bool, bool]:
    """Whether the draws are the same in all workers, and the same in all epochs."""
    values = [{w: [d.fields.get(field) for d in ds] for w, ds in one.items()} for one in fixed]
    workers = all(each == one[min(one)] for one in values for each in one.values())
    return workers, all(one == values[0] for one in values[1:])


def _by_chance(fixed: Passes, field: str) -> float:
    """How probable it is that independent draws agree as often as these did."""
    agreeing, pairs = 0, 0
    for values in _by_index(next(iter(fixed[0].values())), field):
        counts = Counter(values)
        agreeing += sum(count * (count - 1) for count in counts.values())
        pairs += len(values) * (len(values) - 1)
    if not pairs:
        return 1.0
    draws = len(next(iter(fixed[0].values())))
    comparisons = draws * max(len(fixed[0]) - 1, 1) * len(fixed)
    return math.exp(comparisons * math.log(max(agreeing / pairs, 1e-9)))


def _holder(dataset: Any, name: str = "dataset", depth: int = 4) -> str:
    """The generator that a data set holds, by kind and name."""
    return _search(dataset, name, depth) or "a generator that the data set holds"


def _search(value: Any, name: str, depth: int) -> str:
    for kind, words in _HOLDERS.items():
        if isinstance(value, kind):
            return f"{words} that the data set holds ({name})"
    if not depth or isinstance(value, (torch.Tensor, np.ndarray, str, bytes, type)):
        return ""
    parts: Any = ()
    if isinstance(value, dict):
        parts = [(f"{name}[{key!r}]", each) for key, each in list(value.items())[:50]]
    elif isinstance(value, (list, tuple)):
        parts = [(f"{name}[{number}]", each) for number, each in enumerate(value[:50])]
    elif hasattr(value, "__dict__"):
        parts = [(f"{name}.{key}", each) for key, each in vars(value).items()]
    return next(filter(None, (_search(each, where, depth - 1) for where, each in parts)), "")
