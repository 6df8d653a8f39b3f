"""Batches of a loader as they come, with the index in the data set of each of their samples."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import itertools
import operator
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sized
from typing import Any, Literal, cast

import torch
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

from netdoctor.inputs.loaders import own_random_states, seeded
from netdoctor.inputs.waiting import watched

_PATIENCE = 30  # seconds after which what gives nothing is taken to hang
Order = Literal["sequential", "random", "weighted", "own", "unknown"]
"""How a loader draws: one sample after the other, shuffled, by weights, by the user's sampler."""


@dataclasses.dataclass(frozen=True, slots=True)
class RawBatch:
    """A batch as the loader gave it.

    Attributes:
        raw: whatever it was.
        indices: in the data set, one a sample; None where they are not known.
    """

    raw: Any
    indices: tuple[Hashable, ...] | None


@dataclasses.dataclass(frozen=True, slots=True)
class LoaderSource:
    """What is to be scanned.

    Attributes:
        loader: a DataLoader, or an iterable of batches.
        description: what it is, as the report names it.
        ready: whether the loader is the user's own, so that its order and batches are.
        total: samples in the data set; None where that is not known.
        whole: whether one pass covers the data set; else it is a part that netdoctor chose.
        names: of the samples by index, where they have any: file names.
        notes: one line for each assumption made.
        seed: of what the loader draws.
    """

    loader: Any
    description: str
    ready: bool
    total: int | None = None
    whole: bool = True
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seed: int = 0

    def batches(self, limit: int | None = None) -> Iterator[RawBatch]:
        """At most so many batches of one pass; the loader and its random states are left alone.

        Raises:
            CollateError: samples of a batch do not fit together.
            DataError: the loader or its data set raised.
        """
        drawn: deque[Any] = deque()
        twin = _recording(self.loader, drawn)
        source = self.loader if twin is None else twin
        with (
            watched(self.description, _PATIENCE) as watch,
            contextlib.closing(seeded(source, self.seed, self.description)) as stream,
        ):
            for raw in itertools.islice(stream, limit):
                watch.came()
                indices = drawn.popleft() if drawn else None
                yield RawBatch(raw, None if indices is None else _as_indices(indices))
                watch.resumed()

    def sample(self, index: Hashable, seed: int | None = None) -> Any:
        """A batch of that one sample, read once more; None where that is not possible.

        Args:
            index: in the data set.
            seed: of the global random states meanwhile; None for that of the scan.
        """
        if not _is_map_style(self.loader):
            return None
        with contextlib.suppress(Exception), own_random_states(self.seed if seed is None else seed):
            return self.loader.collate_fn([self.loader.dataset[index]])
        return None

    def identity(self, index: Hashable) -> Hashable:
        """What tells a sample from others however subsets and concatenations number it."""
        return _identity(getattr(self.loader, "dataset", None), index)

    def name(self, index: Hashable) -> str:
        """The sample's file where it has one, else its index."""
        if isinstance(index, int) and 0 <= index < len(self.names):
            return self.names[index]
        return str(index)

    @property
    def order(self) -> Order:
        """How the loader draws its samples."""
        return order_of(self.loader) if self.ready else "random"

    @property
    def repeats(self) -> bool | None:
        """Whether every pass has the same order; None where only passes would tell."""
        sampler = getattr(self.loader, "sampler", None)
        if isinstance(sampler, DistributedSampler) and sampler.shuffle:
            return None
        known: dict[Order, bool] = {"sequential": True, "random": False, "weighted": False}
        return known.get(self.order)

    @property
    def batch_size(self) -> int | None:
        """Samples in a full batch, where the loader says so."""
        size = getattr(self.loader, "batch_size", None)
        if size is None:
            size = getattr(getattr(self.loader, "batch_sampler", None), "batch_size", None)
        return size if isinstance(size, int) else None

    @property
    def last_batch(self) -> int | None:
        """Samples in the last batch of a pass; None where that is not known before."""
        size, sampler = self.batch_size, getattr(self.loader, "sampler", None)
        if size is None or not _is_map_style(self.loader) or not self.ready:
            return None
        if type(getattr(self.loader, "batch_sampler", None)) is not BatchSampler:
            return None
        with contextlib.suppress(TypeError, NotImplementedError):
            left = len(cast(Sized, sampler)) % size
            return size if self.loader.drop_last or left == 0 else left
        return None


def in_this_process(source: LoaderSource) -> LoaderSource:
    """The same loader without worker processes, for one whose workers cannot start."""
    alone = copy.copy(source.loader)
    # Past DataLoader.__setattr__, which forbids it: the copy has not begun to iterate.
    vars(alone).update(
        num_workers=0, timeout=0, prefetch_factor=None, persistent_workers=False, _iterator=None,
        _DataLoader__multiprocessing_context=None,
    )  # fmt: skip
    return dataclasses.replace(source, loader=alone)


def order_of(loader: Any) -> Order:
    """How a loader draws its samples, as far as its sampler says."""
    if not _is_map_style(loader):
        return "unknown"
    batches = loader.batch_sampler
    if batches is not None and type(batches) is not BatchSampler:
        return "own"
    sampler = loader.sampler
    if isinstance(sampler, DistributedSampler):
        return "random" if sampler.shuffle else "sequential"
    if type(sampler) is SequentialSampler:
        return "sequential"
    if type(sampler) in (RandomSampler, SubsetRandomSampler):
        return "random"
    return "weighted" if type(sampler) is WeightedRandomSampler else "own"


def _is_map_style(loader: Any) -> bool:
    return isinstance(loader, DataLoader) and not isinstance(loader.dataset, IterableDataset)


def _recording(loader: Any, drawn: deque[Any]) -> Any:
    """A copy of a loader that notes the indices of each batch as it draws them; else None."""
    if not _is_map_style(loader) or not getattr(loader, "in_order", True):
        return None
    twin = copy.copy(loader)
    kept = "sampler" if loader.batch_sampler is None else "batch_sampler"
    # Past DataLoader.__setattr__, which forbids it: the copy has not begun to iterate.
    vars(twin)[kept] = _Noting(getattr(loader, kept), drawn)
    vars(twin)["persistent_workers"] = False
    vars(twin)["_iterator"] = None
    if loader.num_workers and not loader.timeout:
        vars(twin)["timeout"] = _PATIENCE
    return twin


class _Noting:
    """A sampler that notes what it hands out."""

    def __init__(self, sampler: Iterable[Any], drawn: deque[Any]) -> None:
        self._sampler = sampler
        self._drawn = drawn

    def __iter__(self) -> Iterator[Any]:
        for indices in self._sampler:
            self._drawn.append(indices)
            yield indices

    def __len__(self) -> int:
        return len(cast(Sized, self._sampler))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sampler, name)


def _as_indices(drawn: Any) -> tuple[Hashable, ...]:
    if isinstance(drawn, torch.Tensor):
        drawn = drawn.tolist()
    several = drawn if isinstance(drawn, (list, tuple)) else [drawn]
    return tuple(operator.index(each) if hasattr(each, "__index__") else each for each in several)


def _identity(dataset: Any, index: Hashable) -> Hashable:
    while isinstance(index, int):
        if type(dataset) is Subset:
            (index,) = _as_indices([dataset.indices[index]])
            dataset = dataset.dataset
        elif type(dataset) is ConcatDataset:
            index = index + len(dataset) if index < 0 else index
            place = next(n for n, end in enumerate(dataset.cumulative_sizes) if index < end)
            index -= dataset.cumulative_sizes[place - 1] if place else 0
            dataset = dataset.datasets[place]
        else:
            break
    return (id(dataset), index)
