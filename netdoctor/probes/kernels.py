"""Keeps the convolution kernels that will be drawn, as plain arrays."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.kernels import Kernels, Layout
from netdoctor.probes.weights import Named

_LARGEST_MATRIX = 4096


def drawable(each: Named) -> str:
    """Why a weight has no picture of kernels; empty where it has."""
    if each.role != "convolution":
        return "no convolution"
    if not each.tensor.is_floating_point():
        return f"{str(each.tensor.dtype).removeprefix('torch.')} values"
    return "" if each.tensor.numel() else "no values"


def kept_kernels(
    each: Named, *, most: int = 64, top: int | None = None, channel: int | None = None
) -> Kernels:
    """The kernels of a convolution to be drawn.

    Args:
        each: the weight, with its owner where there is one.
        most: keeps so many filters at most, the first ones.
        top: keeps the so many of the largest norm instead, largest first.
        channel: draws this input channel instead of the norms over all; the last there is where
            the layer has fewer.
    """
    weight = each.filters.detach()
    count, inputs, *size = weight.shape
    name, kind, shape = each.name, each.kind, tuple(weight.shape)
    if math.prod(size) == 1 and inputs > 1:
        matrix = _as_array(weight.reshape(count, inputs)[:_LARGEST_MATRIX, :_LARGEST_MATRIX])
        return Kernels(name, kind, shape, "matrix", matrix, np.arange(len(matrix)), *_ends(matrix))
    shown = _as_array(_shown_values(weight, channel))
    numbers = np.arange(min(count, most))
    if top is not None:
        norms = weight.reshape(count, -1).float().norm(dim=1).nan_to_num(math.inf, math.inf)
        numbers = norms.argsort(descending=True, stable=True)[: min(top, most)].cpu().numpy()
    at = min(channel or 0, inputs - 1)
    layout = _layout(inputs, len(size), channel)
    ends = _ends(shown)
    normed = inputs > 1 and channel is None and layout != "rgb"
    return Kernels(
        name, kind, shape, layout, shown[numbers], numbers, *ends,
        channel=at, normed=normed, top=top is not None,
    )  # fmt: skip


def _shown_values(weight: Tensor, channel: int | None) -> Tensor:
    """(O, h, w) to draw of (O, I, …); (O, h, w, 3) in colour, (O, d, h, w) for 3-D kernels."""
    inputs, axes = weight.shape[1], weight.ndim - 2
    if inputs == 3 and axes == 2 and channel is None:
        return weight.movedim(1, -1)
    if inputs == 1:
        flat = weight[:, 0]
    elif channel is not None:
        flat = weight[:, min(channel, inputs - 1)]
    else:
        wide = weight.float()
        flat = torch.linalg.vector_norm(wide, dim=1)
    return flat[:, None] if axes == 1 else flat


def _layout(inputs: int, axes: int, channel: int | None) -> Layout:
    if axes == 3:
        return "slices"
    if inputs == 3 and axes == 2 and channel is None:
        return "rgb"
    if axes == 1:
        return "rows"
    return "kernels" if inputs == 1 else "norms" if channel is None else "channel"


def _as_array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.cpu().float().numpy()
    return array


def _ends(values: NDArray[np.float32]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
