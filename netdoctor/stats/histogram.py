"""A histogram over any range of float32 values, for drawing: bins of a 32nd of an octave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LARGEST = float(np.finfo(np.float32).max)
_SHIFT = 18  # keeps a float32's sign, exponent and five bits of its mantissa
_BINS = 2 ** (32 - _SHIFT)


class FineHistogram:
    """Counts of finite values in bins of a 32nd of an octave; independent of the batches."""

    def __init__(self) -> None:
        self.bins = np.zeros(_BINS, np.int64)

    def add(self, values: NDArray[np.floating]) -> None:
        """Adds finite values, best as many as a core's cache holds at a time."""
        if values.dtype == np.float64:
            values = np.clip(values, -_LARGEST, _LARGEST)
        bits = values.astype(np.float32, copy=False).ravel().view(np.uint32) >> _SHIFT
        self.bins += np.bincount(bits, minlength=_BINS)

    def merge(self, other: FineHistogram) -> None:
        """Adds all that another one has counted."""
        self.bins = self.bins + other.bins

    def drawn(
        self, low: float, high: float, bins: int, *, within: tuple[float, float] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Counts over evenly spaced bins, and their edges.

        The values of a fine bin are taken to lie evenly in it, so a drawn count is off by part of
        a fine bin at most.

        Args:
            low: the smallest value that was added.
            high: the largest.
            bins: how many.
            within: the range to draw; None for all of it.
        """
        total = int(self.bins.sum())
        if not total or (low == high and within is None):
            middle = low if total else 0.0
            return np.array([total], np.int64), np.array([middle - 0.5, middle + 0.5])
        first, last, counts = self._occupied(low, high)
        edges = np.linspace(*(within or (low, high)), bins + 1)
        width = np.where(last > first, last - first, 1.0)
        share = np.clip((edges[:, None] - first) / width, 0, 1)
        below = np.where((first == last) & (edges[:, None] > first), 1, share) @ counts
        if within is None or within[0] <= low:
            below[0] = 0
        if within is None or within[1] >= high:
            below[-1] = total
        return np.diff(np.rint(below)).astype(np.int64), edges

    def quantiles(self, shares: tuple[float, ...], low: float, high: float) -> list[float]:
        """Values below which these shares lie, to within a fine bin.

        Args:
            shares: in [0, 1].
            low: the smallest value that was added.
            high: the largest.
        """
        first, last, counts = self._occupied(low, high)
        order = np.argsort(first, kind="stable")
        below = np.cumsum(counts[order]) / max(int(counts.sum()), 1)
        found = []
        for share in shares:
            place = order[min(int(np.searchsorted(below, share)), len(order) - 1)]
            found.append(float(first[place] if share < 0.5 else last[place]))
        return found

    def _occupied(
        self, low: float, high: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """The bounds of the occupied fine bins, clipped to the range, and their counts."""
        occupied = np.flatnonzero(self.bins)
        bits = occupied.astype(np.uint32) << _SHIFT
        near = bits.view(np.float32).astype(np.float64)
        far = (bits | (2**_SHIFT - 1)).view(np.float32).astype(np.float64)
        first, last = np.minimum(near, far), np.maximum(near, far)
        return np.clip(first, low, high), np.clip(last, low, high), self.bins[occupied]
