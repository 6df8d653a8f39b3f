"""Passes over data: the first as they come, later ones in other orders, as training has them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from netdoctor.errors import DataError
from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.inputs.loaders import seeded

if TYPE_CHECKING:
    from netdoctor.inputs.model import LoadedModel

Pass = Callable[[int], Iterator[Batch]]
"""The batches of a pass, by its number."""


def passes_as_given(
    source: Any, loaded: LoadedModel, name: str, seed: int, limit: int | None = None
) -> Pass:
    """Passes over a loader or list; a list, and a loader without an order, are shuffled after 0.

    Args:
        source: what gives the batches.
        loaded: the model that they are for.
        name: of the data, for messages.
        seed: of what the loader draws; pass n takes `seed + n`.
        limit: how many batches a pass has at most.
    """
    images = loaded.input_style == "images"
    in_memory = isinstance(source, list)

    def one_pass(number: int) -> Iterator[Batch]:
        count, anew = 0, number > 0
        given = _in_another_order(source, seed + number) if anew else source
        with contextlib.closing(seeded(given, seed + number, name, anew=anew)) as stream:
            for raw in itertools.islice(stream, limit):
                batch = as_batch(raw, loaded.module, images=images)
                count += batch.size
                if batch.size:
                    yield batch.to(loaded.device, copy=in_memory)
        if count == 0:
            raise DataError(
                f"{name} gives no sample: it is empty.",
                hint="Check its path or filter; drop_last leaves out a batch that is not full.",
            )

    return one_pass


def passes_over(loader: DataLoader[Any], loaded: LoadedModel, name: str, seed: int) -> Pass:
    """Shuffled passes over the samples of a loader that was made for a data set.

    What is left over from the last full batch is left out.
    """

    def one_pass(number: int) -> Iterator[Batch]:
        try:
            rows = list(loader.sampler)
        except (TypeError, NotImplementedError):  # of unknown length: told where it is read
            return passes_as_given(loader, loaded, name, seed)(number)
        generator = torch.Generator().manual_seed(seed + number)
        order = torch.randperm(len(rows), generator=generator).tolist()
        full = len(rows) >= (loader.batch_size or 1)
        shuffled = _with_sampler(loader, [rows[place] for place in order], drop_last=full)
        return passes_as_given(shuffled, loaded, name, seed + number)(0)

    return one_pass


def _in_another_order(source: Any, seed: int) -> Any:
    """A list of batches, or a loader that goes through its data set in order, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(source, list):
        return [source[place] for place in torch.randperm(len(source), generator=generator)]
    if not isinstance(source, DataLoader) or type(source.batch_sampler) is not BatchSampler:
        return source
    if type(source.sampler) is not SequentialSampler:
        return source
    order = torch.randperm(len(source.sampler), generator=generator).tolist()
    return _with_sampler(source, order, drop_last=source.drop_last)


def _with_sampler(
    loader: DataLoader[Any], sampler: list[int], *, drop_last: bool
) -> DataLoader[Any]:
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        sampler=sampler,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        drop_last=drop_last,
        worker_init_fn=loader.worker_init_fn,
    )
