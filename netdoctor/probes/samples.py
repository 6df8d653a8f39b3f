"""Rows of batches: which samples go to the model together, and what it returns for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netdoctor.inputs.batches import Batch
from netdoctor.observe import observe
from netdoctor.observe.tracing import tensors_in


class UnsuitableError(Exception):
    """The check cannot be done; its text says why."""


def joined(batches: Sequence[Batch], count: int) -> Batch:
    """Up to `count` samples, taken evenly from all batches that fit together.

    Raises:
        UnsuitableError: the samples of a batch cannot be told apart.
    """
    if not batches:
        raise UnsuitableError("there is no batch")
    check_rows(batches[0])
    fitting = [each for each in batches if _fits(batches[0], each)]
    each_gives = -(-count // len(fitting))
    parts = [taken(each, spread(each.size, each_gives)) for each in fitting]
    sizes = [part.size for part in parts]
    args = _merged([part.args for part in parts], sizes)
    kwargs = _merged([part.kwargs for part in parts], sizes)
    target = _merged([part.target for part in parts], sizes)
    whole = Batch(args, kwargs, target, sum(sizes))
    return whole if whole.size <= count else taken(whole, spread(whole.size, count))


def few(batch: Batch, count: int = 16) -> Batch:
    """The batch, or copies of so many of its samples where these can be told apart."""
    try:
        check_rows(batch)
    except UnsuitableError:
        return batch
    return taken(batch, spread(batch.size, count))


def spread(size: int, count: int) -> Tensor:
    """(min(size, count),) row numbers at even distances."""
    count = min(size, count)
    return torch.arange(count) * size // count


def taken(batch: Batch, rows: Tensor) -> Batch:
    """The batch with these rows, in this order, of every tensor that has one row a sample."""

    def pick(tensor: Tensor) -> Tensor:
        return tensor[rows.to(tensor.device)] if _has_rows(tensor, batch.size) else tensor

    return changed(batch, pick, len(rows), target=True)


def changed(
    batch: Batch, change: Callable[[Tensor], Tensor], size: int | None = None, *, target: bool
) -> Batch:
    """The batch with every tensor in it changed, in the target only if wanted."""
    return Batch(
        tuple(_mapped(each, change) for each in batch.args),
        {name: _mapped(each, change) for name, each in batch.kwargs.items()},
        _mapped(batch.target, change) if target else batch.target,
        batch.size if size is None else size,
    )


def copied(batch: Batch) -> Batch:
    """The batch with inputs that the model may write to."""
    return changed(batch, torch.clone, target=False)


def check_rows(batch: Batch) -> None:
    """Raises UnsuitableError where it is not certain which part of the input is which sample's."""
    inputs = (batch.args, batch.kwargs)
    tensors = tensors_in(inputs)
    if batch.size < 2:
        raise UnsuitableError("the batch holds one sample")
    if _has_objects(inputs) or not any(_has_rows(each, batch.size) for each in tensors):
        raise UnsuitableError("the inputs are not tensors with one row a sample")
    for place, each in enumerate(tensors):
        if each.layout != torch.strided or each.is_nested:
            raise UnsuitableError("the inputs are sparse or nested")
        if place and each.ndim == 2 and each.shape[0] == each.shape[1] == batch.size:
            raise UnsuitableError("an input of shape (N, N) relates the samples to each other")
        integer = not each.is_floating_point() and each.dtype != torch.bool
        if integer and each.numel() > 1 and each.shape[0] not in (1, batch.size):
            raise UnsuitableError("an input without one row a sample may index the samples")
    target = batch.target
    if isinstance(target, Tensor) and target.ndim and target.shape[0] != batch.size:
        raise UnsuitableError(
            f"the target has {target.shape[0]} rows and the input {batch.size}: it is unclear "
            "which axis counts the samples"
        )


def differing(batch: Batch, others: Batch) -> bool:
    """Whether two batches of one size differ."""
    pairs = zip(_row_tensors(batch), _row_tensors(others), strict=True)
    return any(not torch.equal(a, b) for a, b in pairs)


def differing_samples(batch: Batch) -> int:
    """How many samples differ from the first one, plus one."""
    differs = torch.zeros(batch.size, dtype=torch.bool)
    for each in _row_tensors(batch):
        differs |= (each != each[:1]).reshape(batch.size, -1).any(1).cpu()
    return int(differs.sum()) + 1


def evaluated(model: nn.Module, batch: Batch) -> list[Tensor]:
    """Copies of the output's floating-point tensors, in evaluation mode.

    The model and all random states are as before afterwards, so that the next run draws the same.

    Raises:
        ModelError: the model raised.
    """
    with observe(model, lambda call: None, watch=()), torch.no_grad():
        model.eval()
        output = copied(batch).call(model)
        return [each.detach().clone() for each in tensors_in(output) if _is_plain(each)]


def places_of_rows(outputs: Sequence[Tensor], size: int) -> list[int]:
    """Which of the outputs have one row a sample.

    Raises:
        UnsuitableError: none has.
    """
    places = [place for place, each in enumerate(outputs) if _has_rows(each, size)]
    if not places:
        raise UnsuitableError("the output has no floating-point tensor with one row a sample")
    return places


def rows_of(tensor: Tensor, size: int) -> Tensor | None:
    """The tensor with its rows, one a sample, on the first axis; None when it has none."""
    if tensor.ndim and tensor.shape[0] == size:
        return tensor
    if tensor.ndim > 1 and tensor.shape[1] == size:
        return tensor.transpose(0, 1)
    return None


def inside_torch_layer(module: nn.Module | None) -> bool:
    """Whether it is one of PyTorch's own layers, which counts as one step."""
    if module is None or next(module.children(), None) is not None:
        return False
    bases = (base for base in type(module).__mro__ if base is not nn.Module)
    return any(base.__module__.startswith("torch.nn.") for base in bases)


def _row_tensors(batch: Batch) -> list[Tensor]:
    tensors = tensors_in((batch.args, batch.kwargs))
    return [each for each in tensors if _has_rows(each, batch.size)]


def _has_rows(tensor: Tensor, size: int) -> bool:
    return tensor.ndim > 0 and tensor.shape[0] == size


def _is_plain(tensor: Tensor) -> bool:
    strided = tensor.layout == torch.strided and not tensor.is_nested
    return tensor.is_floating_point() and strided and tensor.ndim > 0 and tensor.numel() > 0


def _has_objects(value: Any) -> bool:
    """Whether there is something that holds tensors in a way of its own: graphs, packed rows."""
    if isinstance(value, Tensor):
        return False
    if isinstance(value, Mapping):
        return any(_has_objects(each) for each in value.values())
    if isinstance(value, (list, tuple)) and not hasattr(value, "to"):
        return any(_has_objects(each) for each in value)
    return hasattr(value, "to") and not isinstance(value, type)


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(each, change) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        new = [_mapped(each, change) for each in value]
        return type(value)(*new) if hasattr(value, "_fields") else type(value)(new)
    return value


def _fits(first: Batch, other: Batch) -> bool:
    """Whether their samples can stand in one batch."""
    if other is first:
        return True
    try:
        check_rows(other)
    except UnsuitableError:
        return False
    if len(first.args) != len(other.args) or first.kwargs.keys() != other.kwargs.keys():
        return False
    parts = [[*tensors_in((each.args, each.kwargs, each.target))] for each in (first, other)]
    return len(parts[0]) == len(parts[1]) and all(
        a.dtype == b.dtype
        and a.shape[1:] == b.shape[1:]
        and _has_rows(a, first.size) == _has_rows(b, other.size)
        for a, b in zip(*parts, strict=True)
    )


def _merged(values: list[Any], sizes: list[int]) -> Any:
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(values) if _has_rows(first, sizes[0]) else first
    if isinstance(first, Mapping):
        return {name: _merged([each[name] for each in values], sizes) for name in first}
    if isinstance(first, (list, tuple)):
        new = [_merged(list(each), sizes) for each in zip(*values, strict=True)]
        return type(first)(*new) if hasattr(first, "_fields") else type(first)(new)
    return first
