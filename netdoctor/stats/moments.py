"""Moments, range, counts and histogram of all values of a call."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.activations import Moments
from netdoctor.stats.histogram import FineHistogram
from netdoctor.stats.view import double

_CHUNK = 2**18  # values that stay in a core's cache between two operations
_CANCELS = 0.25  # deviations that are less of the plain squares than this are taken one by one
_RUN = 1024  # values that are summed in float32 before float64 takes over


class MomentAccumulator:
    """Count, mean, deviation, range, zeros, non-finite counts and histogram of all values seen.

    Args:
        detailed: counts zeros and small values and keeps a histogram.
        cancels: deviations that are less of the plain squares than this are taken in a second
            pass; with 1e-3 the standard deviation is off by 1e-4 of itself at most.
    """

    def __init__(self, *, detailed: bool = False, cancels: float = _CANCELS) -> None:
        self.detailed = detailed
        self.cancels = cancels
        self.count = self.nan = self.inf = self.negative_inf = 0
        self.finite = self.zeros = self.small = 0
        self.mean = self.squares = 0.0
        self.minimum, self.maximum = math.inf, -math.inf
        self.fine = FineHistogram() if detailed else None

    def update(self, flat: Tensor, total: float | None = None) -> None:
        """Adds a batch.

        Args:
            flat: (M,) float tensor.
            total: its sum, if it is known already.
        """
        if not flat.numel():
            return
        if total is None:
            total = float(flat.sum())
        self.count += flat.numel()
        if not math.isfinite(total):
            flat = self._set_aside(flat)
            if not flat.numel():
                return
            total = float(double(flat).sum())
        low, high = torch.aminmax(flat)
        self.minimum = min(self.minimum, float(low))
        self.maximum = max(self.maximum, float(high))
        mean = total / flat.numel()
        self._merge(flat.numel(), *_mean_and_squares(flat, mean, self.cancels))
        if self.fine is not None:
            self._count_values(flat, self.fine)

    def _set_aside(self, flat: Tensor) -> Tensor:
        """Counts the non-finite values; returns the others."""
        self.nan += int(flat.isnan().sum())
        self.inf += int(flat.isinf().sum())
        self.negative_inf += int(flat.isneginf().sum())
        return flat[flat.isfinite()]

    def _count_values(self, flat: Tensor, fine: FineHistogram) -> None:
        for chunk in _numpy_chunks(flat):
            self.zeros += int(np.count_nonzero(chunk == 0))
            self.small += int(np.count_nonzero(np.abs(chunk) < 0.01))
            fine.add(chunk)

    def _merge(self, count: int, mean: float, squares: float) -> None:
        """Chan, Golub and LeVeque 1983, equation 2.1."""
        total = self.finite + count
        delta = mean - self.mean
        self.mean += delta * count / total
        self.squares += squares + delta * delta * self.finite * count / total
        self.finite = total

    def merge(self, other: MomentAccumulator) -> None:
        """Adds all that another accumulator has seen."""
        for name in ("count", "nan", "inf", "negative_inf", "zeros", "small"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        if self.fine is not None and other.fine is not None:
            self.fine.merge(other.fine)
        if other.finite:
            self._merge(other.finite, other.mean, other.squares)

    def read(self) -> Moments:
        """The statistics so far; NaN where there was no finite value."""
        some = self.finite > 0
        return Moments(
            count=self.count,
            mean=self.mean if some else math.nan,
            std=math.sqrt(self.squares / self.finite) if some else math.nan,
            minimum=self.minimum if some else math.nan,
            maximum=self.maximum if some else math.nan,
            zeros=self.zeros,
            small=self.small,
            nan=self.nan,
            inf=self.inf,
            negative_inf=self.negative_inf,
        )

    def histogram(self, bins: int = 64) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Counts over evenly spaced bins of the whole range, and their edges, for drawing."""
        return (self.fine or FineHistogram()).drawn(self.minimum, self.maximum, bins)


def _mean_and_squares(flat: Tensor, mean: float, cancels: float) -> tuple[float, float]:
    """The mean and the sum of squared deviations from it.

    Taken from the plain squares where little cancels, else in a second pass in float64 about
    the mean as float32 has it, and corrected for its error.
    """
    squares = _sum_of_squares(flat)
    about_mean = squares - flat.numel() * mean * mean
    if math.isfinite(squares) and about_mean > cancels * squares:
        return mean, about_mean
    off = squares = 0.0
    for chunk in _chunks(flat):
        deviations = double(chunk) - mean
        off += float(deviations.sum())
        squares += float(deviations.square().sum())
    off /= flat.numel()
    return mean + off, max(squares - flat.numel() * off * off, 0.0)


def _chunks(flat: Tensor) -> Sequence[Tensor]:
    return flat.tensor_split(list(range(_CHUNK, flat.numel(), _CHUNK)))


def _sum_of_squares(flat: Tensor) -> float:
    whole = flat.numel() // _RUN * _RUN
    norms = torch.linalg.vector_norm(flat[:whole].view(-1, _RUN), 2, 1)
    return float(double(norms).square().sum()) + float(double(flat[whole:]).square().sum())


def _numpy_chunks(flat: Tensor) -> Iterator[NDArray[np.floating]]:
    for chunk in _chunks(flat):
        yield chunk.cpu().numpy()
