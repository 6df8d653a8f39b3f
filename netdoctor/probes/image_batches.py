"""Images in batches: so many in all, single ones of one shape put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from netdoctor.inputs.batches import Batch
from netdoctor.observe import tensors_in
from netdoctor.probes.samples import taken


def image_batches(data: Iterable[Batch], images: int | None, size: int) -> Iterator[Batch]:
    """The first samples in batches.

    Args:
        data: batches as the data give them.
        images: how many samples in all; None for all.
        size: single samples of one shape are put together to so many.
    """
    left = images
    for batch in _together(data, size):
        if left is not None and batch.size > left:
            batch = taken(batch, torch.arange(left))
        yield batch
        if left is not None:
            left -= batch.size
            if left <= 0:
                return


def _together(data: Iterable[Batch], size: int) -> Iterator[Batch]:
    held: list[Batch] = []
    for batch in data:
        if held and (len(held) >= size or not _alike(held[0], batch)):
            yield _merged(held)
            held = []
        held.append(batch)
        if batch.size != 1:
            yield _merged(held)
            held = []
    if held:
        yield _merged(held)


def _alike(first: Batch, other: Batch) -> bool:
    shapes = [
        [(each.shape, each.dtype) for each in tensors_in((one.args, one.kwargs))]
        for one in (first, other)
    ]
    single = first.size == other.size == 1
    return single and shapes[0] == shapes[1] and all(map(_is_plain, (first, other)))


def _is_plain(batch: Batch) -> bool:
    values = (*batch.args, *batch.kwargs.values())
    return all(isinstance(each, Tensor) and each.ndim > 0 and len(each) == 1 for each in values)


def _merged(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    args = tuple(map(torch.cat, zip(*(each.args for each in batches), strict=True)))
    names = batches[0].kwargs
    kwargs = {name: torch.cat([each.kwargs[name] for each in batches]) for name in names}
    return Batch(args, kwargs, None, len(batches))
