"""A tensor's units and positions, in the layout in which they can be reduced fastest."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True, slots=True)
class UnitView:
    """A call's output with its positions flattened, without a copy where the layout allows.

    Attributes:
        values: (R, C, P) or (R, P, C) contiguous float tensor; rows R, units C, positions P.
        positions: the axis of P: 2 or 1.
        samples: the samples that the R rows belong to; R is a multiple of it.
    """

    values: Tensor
    positions: int
    samples: int

    @property
    def flat(self) -> Tensor:
        """(R * C * P,) the values as they lie in memory."""
        return self.values.flatten()

    def sums(self) -> Tensor:
        """(R, C) sums over the positions."""
        return self.values.sum(self.positions)

    def of_units(self, chosen: Tensor) -> Tensor:
        """The values of some units only; `chosen` is a (K,) index."""
        return self.values.index_select(3 - self.positions, chosen)


def unit_view(output: Tensor, axis: int | None, samples: int) -> UnitView:
    """The units and positions of an output.

    Args:
        output: any floating-point tensor.
        axis: its channel axis; None takes the axis that is usual for its number of axes.
        samples: the batch's size; an output whose first axis is a multiple of it (windows,
            folded time steps) has the factor counted among the positions, one whose second axis
            equals it is taken as time first, and in any other each row is a sample.
    """
    output = output.detach()
    if output.dtype in (torch.float16, torch.bfloat16) or not output.dtype.is_floating_point:
        output = output.float()
    if output.ndim < 2:
        rows = samples if output.ndim and len(output) == samples else 1
        return UnitView(output.reshape(rows, output.numel() // max(rows, 1), 1), 2, rows)
    if axis == 0 and output.shape[0] != samples:  # a single sample without its batch axis
        output, axis = output.unsqueeze(0), 1
    axis = {2: 1, 3: 2}.get(output.ndim, 1) if axis is None else axis
    batch = 0
    if output.shape[0] != samples and output.shape[1] == samples and axis > 1:
        batch = 1
    if axis == batch:
        axis = output.ndim - 1
    rest = [each for each in range(output.ndim) if each not in (batch, axis)]
    rows = output.shape[batch]
    if not output.numel():
        return UnitView(output.new_empty(rows, output.shape[axis], 0), 2, rows)
    samples = samples if samples and rows % samples == 0 else rows
    channels_last = output.permute(batch, *rest, axis)
    if rest and not channels_last.is_contiguous():
        channels_first = output.permute(batch, axis, *rest).contiguous()
        return UnitView(channels_first.flatten(2), 2, samples)
    values = channels_last.contiguous().reshape(rows, -1, output.shape[axis])
    return UnitView(values, 1, samples)


def values_of(tensor: Tensor) -> Tensor:
    """(M,) the values as they lie in memory, in float32 at least; complex ones as pairs."""
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    strides = tensor.stride()
    order = sorted(range(tensor.ndim), key=lambda axis: -strides[axis])
    flat = tensor.permute(order).reshape(-1)
    return flat if flat.dtype in (torch.float32, torch.float64) else flat.float()


def double(tensor: Tensor) -> Tensor:
    """In float64, on the CPU if its device has no such numbers."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()
