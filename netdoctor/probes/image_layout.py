"""Where the channels of a tensor of images are."""

from __future__ import annotations

import torch
from torch import Tensor

from netdoctor.facts.loader_fields import Layout

_SMALLEST_SIDE = 8  # of an image, in pixels


def layout_of(values: Tensor) -> Layout:
    """Where the channels of images (N, …) are; empty for what does not look like images."""
    if values.ndim != 4 or not values.numel():
        return ""
    _, first, middle, last = values.shape
    if first in (1, 3, 4) and min(middle, last) >= _SMALLEST_SIDE:
        return "channels-first"
    if last not in (1, 3, 4) or min(first, middle) < _SMALLEST_SIDE:
        return ""
    return "channels-last" if first == middle or _is_smooth(values) else ""


def _is_smooth(values: Tensor) -> bool:
    """Whether neighbours along axes 1 and 2 are alike, as pixels are."""
    numbers = floats(values[:8])
    for axis in (1, 2):
        length = numbers.shape[axis] - 1
        here, there = numbers.narrow(axis, 0, length), numbers.narrow(axis, 1, length)
        spread = float(numbers.var()) * 2
        if not spread > 0 or float((here - there).square().mean()) > 0.5 * spread:
            return False
    return True


def floats(values: Tensor) -> Tensor:
    """The values as floating-point numbers that hold them exactly."""
    if values.dtype in (torch.float32, torch.float64):
        return values
    wide = values.dtype in (torch.int64, torch.int32)
    return values.to(torch.float64 if wide else torch.float32)
