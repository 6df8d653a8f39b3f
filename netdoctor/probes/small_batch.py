"""One small batch of varied targets, and which of its samples have equal inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.errors import DataError
from netdoctor.inputs.batches import TARGET_NAMES, Batch


def small_batch(batches: Iterable[Batch], samples: int) -> Batch:
    """At most so many samples of the first batch whose labels differ, else of the first batch.

    Of integer labels every class takes its turn.

    Raises:
        DataError: there is no batch.
    """
    first = None
    for batch in batches:
        first = batch if first is None else first
        if not one_target(batch.target):
            return _reduced(batch, samples)
    if first is None:
        raise DataError("The data give no batch.", hint="Check the loader's length and filters.")
    return _reduced(first, samples)


def one_target(target: Any) -> bool:
    """Whether there are targets for several samples and they are all the same."""
    if not isinstance(target, Tensor) or not target.ndim:
        return False
    return bool((target == target[:1]).all())


def equal_inputs(batch: Batch) -> NDArray[np.int64]:
    """(N,) equal numbers for samples whose inputs are equal bit for bit."""
    inputs = [each for name, each in batch.kwargs.items() if name not in TARGET_NAMES]
    rows = [
        each.detach().cpu().contiguous().reshape(batch.size, -1)
        for each in _tensors([*batch.args, *inputs])
        if each.ndim and each.shape[0] == batch.size
    ]
    if not rows or not all(each.numel() for each in rows):
        return np.arange(batch.size)
    known: dict[bytes, int] = {}
    numbers = [
        known.setdefault(b"".join(_bytes(each[row]) for each in rows), row)
        for row in range(batch.size)
    ]
    return np.array(numbers, np.int64)


def conflicting(groups: NDArray[np.int64], target: Any) -> int:
    """How many samples share their input with one that has another target."""
    if not isinstance(target, Tensor) or not target.ndim or len(target) != len(groups):
        return 0
    count = 0
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        values = target[torch.from_numpy(rows).to(target.device)]
        if not bool((values == values[:1]).all()):
            count += len(rows)
    return count


def _bytes(row: Tensor) -> bytes:
    return row.contiguous().view(torch.uint8).numpy().tobytes()


def _reduced(batch: Batch, samples: int) -> Batch:
    if batch.size <= samples or any(_is_opaque(each) for each in _leaves(batch)):
        return batch
    rows = _varied_rows(batch.target, batch.size)[:samples]

    def pick(value: Any) -> Any:
        if isinstance(value, Tensor) and value.ndim and value.shape[0] == batch.size:
            return value[torch.tensor(rows, device=value.device)]
        if isinstance(value, Mapping):
            return {name: pick(each) for name, each in value.items()}
        if isinstance(value, list) and len(value) == batch.size:
            return [value[row] for row in rows]
        if isinstance(value, (list, tuple)):
            picked = [pick(each) for each in value]
            return type(value)(*picked) if hasattr(value, "_fields") else type(value)(picked)
        return value

    args = tuple(pick(each) for each in batch.args)
    kwargs = {name: pick(each) for name, each in batch.kwargs.items()}
    return Batch(args, kwargs, pick(batch.target), len(rows))


def _varied_rows(target: Any, size: int) -> list[int]:
    """All rows, in their order; of one label each, the labels take turns."""
    if not isinstance(target, Tensor) or target.is_floating_point() or target.shape != (size,):
        return list(range(size))
    by_label: dict[int, list[int]] = {}
    for row, label in enumerate(target.tolist()):
        by_label.setdefault(label, []).append(row)
    turns = zip_longest(*by_label.values())
    return [row for turn in turns for row in turn if row is not None]


def _is_opaque(value: Any) -> bool:
    return hasattr(value, "to") and not isinstance(value, (Tensor, type))


def _leaves(batch: Batch) -> Iterator[Any]:
    yield from _flat([*batch.args, *batch.kwargs.values(), batch.target])


def _tensors(values: Any) -> Iterator[Tensor]:
    return (each for each in _flat(values) if isinstance(each, Tensor))


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _flat(each)
    else:
        yield value
