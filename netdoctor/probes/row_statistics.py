"""Mean, deviation and range of each sample's channels, in one pass in float64."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_CHUNK = 2**17  # values that stay in a core's cache between two operations

Doubles = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class RowStatistics:
    """Of the finite values of N samples with C channels each.

    Attributes:
        count: (N, C) finite values.
        mean: (N, C), 0 where there is none.
        squares: (N, C) sums of squared deviations from that mean.
        low, high: (N, C), infinite where there is none.
        whole, zeros: how many values are whole numbers, and how many are 0.
        clean: whether all values are finite.
    """

    count: NDArray[np.int64]
    mean: Doubles
    squares: Doubles
    low: Doubles
    high: Doubles
    whole: int
    zeros: int
    clean: bool

    @property
    def finite(self) -> int:
        """How many values are finite."""
        return int(self.count.sum())

    def of_samples(self) -> NDArray[np.float32]:
        """(N, 4): mean, deviation, minimum and maximum of each sample's finite values.

        The deviation of a sample without any is NaN, so that it is not taken for a blank one.
        """
        mean, squares, count = _joined(self.count, self.mean, self.squares, 1)
        low, high = self.low.min(1), self.high.max(1)
        with np.errstate(invalid="ignore", over="ignore"):
            std = np.sqrt(squares / np.maximum(count, 1))
            std = np.where(count == 0, math.nan, np.where(low == high, 0.0, std))
            return np.stack([mean, std, low, high], 1).astype(np.float32)

    def largest_deviation(self) -> Doubles:
        """(N,) of each sample's channels."""
        found: Doubles = np.sqrt(self.squares / np.maximum(self.count, 1)).max(1)
        return found

    def of_channels(self) -> tuple[NDArray[np.int64], Doubles, Doubles, Doubles, Doubles]:
        """(C,) count, mean, squares, minimum and maximum over all samples."""
        mean, squares, count = _joined(self.count, self.mean, self.squares, 0)
        return count, mean, squares, self.low.min(0), self.high.max(0)


def _joined(
    count: NDArray[np.int64], mean: Doubles, squares: Doubles, axis: int
) -> tuple[Doubles, Doubles, NDArray[np.int64]]:
    """Moments of several groups as those of one (Chan, Golub and LeVeque 1983)."""
    total = count.sum(axis)
    with np.errstate(over="ignore", invalid="ignore"):
        whole = (mean * count).sum(axis) / np.maximum(total, 1)
        about = (mean - np.expand_dims(whole, axis)) ** 2 * count
        return whole, squares.sum(axis) + about.sum(axis), total


def row_statistics(values: Tensor) -> RowStatistics:
    """Statistics of (N, C, M) floating-point values."""
    parts = [_of_part(part) for part in _parts(values)]
    if len(parts) == 1:
        return parts[0]
    count, mean, squares, low, high = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("count", "mean", "squares", "low", "high")
    )
    return RowStatistics(
        count, mean, squares, low, high, sum(part.whole for part in parts),
        sum(part.zeros for part in parts), all(part.clean for part in parts),
    )  # fmt: skip


def _parts(values: Tensor) -> Iterator[Tensor]:
    rows = max(_CHUNK // max(values[0].numel(), 1), 1)
    yield from (values[start : start + rows] for start in range(0, len(values), rows))


def _of_part(values: Tensor) -> RowStatistics:
    size = values.shape[2]
    wide = values.double()
    sums = wide.sum(2)
    clean = bool(sums.isfinite().all()) or bool(values.isfinite().all())
    finite = None if clean else values.isfinite()
    count = torch.full(values.shape[:2], size) if finite is None else finite.sum(2)
    if finite is not None:
        wide = wide.where(finite, wide.new_zeros(()))
        sums = wide.sum(2)
    mean = sums / count.clamp(min=1)
    if size == 1 and finite is None:
        squares = torch.zeros_like(mean)
    else:
        about = wide - mean[..., None] if wide.dtype is values.dtype else wide.sub_(mean[..., None])
        about = about if finite is None else about.where(finite, about.new_zeros(()))
        squares = torch.linalg.vector_norm(about, 2, 2).square()
    low, high = _range(values, finite)
    kept = values if finite is None else values[finite]
    return RowStatistics(
        count.numpy(), mean.numpy(), squares.numpy(), low.double().numpy(), high.double().numpy(),
        int((kept.round() == kept).sum()), kept.numel() - int(kept.count_nonzero()), clean,
    )  # fmt: skip


def _range(values: Tensor, finite: Tensor | None) -> tuple[Tensor, Tensor]:
    if values.shape[2] == 1 and finite is None:
        return values[..., 0], values[..., 0]
    if finite is None:
        low, high = values.aminmax(dim=2)
        return low, high
    low = values.where(finite, values.new_full((), math.inf)).amin(2)
    return low, values.where(finite, values.new_full((), -math.inf)).amax(2)
