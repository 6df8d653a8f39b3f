"""Which tensors of a call's output count, and how a tensor is written in a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from netdoctor.observe.tracing import tensors_in


def main_tensor(output: Any) -> Tensor | None:
    """The first ordinary floating-point tensor of an output."""
    for each in (output,) if isinstance(output, Tensor) else tensors_in(output):
        if each.is_floating_point() and each.layout == torch.strided and not each.is_nested:
            return each
    return None


def main_or_complex(output: Any) -> Tensor | None:
    """The main tensor, or where there is none the first of complex numbers."""
    main = main_tensor(output)
    return next(iter(numbers_in(output)), None) if main is None else main


def numbers_in(output: Any) -> tuple[Tensor, ...]:
    """All ordinary tensors of floating-point or complex numbers in an output."""
    return tuple(
        each
        for each in tensors_in(output)
        if (each.is_floating_point() or each.is_complex())
        and each.layout == torch.strided
        and not each.is_nested
    )


def shape_of(tensor: Tensor, name: str | None) -> str:
    """`fc.weight (10, 64)`, or with the type in the place of a name: `float32 (2, 64)`."""
    return f"{name or str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def same_size(inputs: Sequence[Tensor], output: Tensor) -> bool:
    """Whether some input has as many values as the output."""
    return any(each.numel() == output.numel() for each in inputs)
