"""What is told of a tensor: its range, its size, the samples of a batch that are marked."""

from __future__ import annotations

import linecache
import math

import torch
from torch import Tensor

from netdoctor.facts.forward import ValueRange
from netdoctor.probes.state import counted

_MOST_NAMED = 16  # samples


def samples_with(bad: Tensor, size: int) -> tuple[int, ...]:
    """Which samples of a batch have a marked value, the first few of them.

    Args:
        bad: bool tensor of a call's output; its first axis is the batch, or a multiple of it
            (windows, folded time steps), or the second is the batch (time first).
        size: samples in the batch.
    """
    if not bad.ndim or not size:
        return ()
    if bad.shape[0] % size and bad.ndim > 1 and bad.shape[1] == size:
        bad = bad.transpose(0, 1)
    if bad.shape[0] % size:
        return ()
    rows = bad.reshape(size, -1).any(1)
    return tuple(rows.nonzero().flatten().tolist()[:_MOST_NAMED])


def size_of(tensor: Tensor) -> int:
    """The number of values; a complex one is two."""
    return tensor.numel() * (2 if tensor.is_complex() else 1)


def code_at(source: str) -> str:
    """The text of the line that `file.py:12` names."""
    file, _, line = source.rpartition(":")
    return linecache.getline(file, int(line)).strip() if line.isdigit() else ""


def range_of(name: str, tensor: Tensor) -> ValueRange:
    """The tensor's shape, type, and the range of its finite values."""
    nan, inf, _ = counted(tensor)
    values = tensor.detach()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    if nan + inf:
        values = values[values.isfinite()]
    low = high = math.nan
    if values.numel() and values.dtype is not torch.bool:
        low, high = (float(each) for each in values.float().aminmax())
    return ValueRange(name, tuple(tensor.shape), dtype_of(tensor), low, high, nan, inf)


def dtype_of(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def shares(tensor: Tensor, output: Tensor) -> bool:
    """Whether writing the output has overwritten the tensor."""
    if tensor is output:
        return True
    return tensor.device == output.device and tensor.data_ptr() == output.data_ptr() != 0
