"""Mean, deviation, range and histogram of each channel over all batches."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.loader_fields import Channels
from netdoctor.probes.row_statistics import RowStatistics
from netdoctor.stats.histogram import FineHistogram

_FEW = 4  # channels for which a histogram is kept
_BINS = 60
_CHUNK = 2**17  # values counted at a time
_TAIL = 0.01  # of the values that may lie beside the drawn range, on both sides together
_LONG = 4  # times the range without its tails: from there on they are not drawn


class ChannelMoments:
    """Statistics of C channels, merged batch by batch in float64."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.seen = np.zeros(count)
        self.mean, self.squares = np.zeros(count), np.zeros(count)
        self.low, self.high = np.full(count, math.inf), np.full(count, -math.inf)
        self.fine = [FineHistogram() for _ in range(count if count <= _FEW else 0)]

    def add(self, values: Tensor, rows: RowStatistics) -> None:
        """Adds (N, C, M) values, whose statistics by sample and channel are known."""
        for channel, fine in enumerate(self.fine):
            flat = values[:, channel].reshape(-1)
            flat = flat if rows.clean else flat[flat.isfinite()]
            for start in range(0, len(flat), _CHUNK):
                fine.add(flat[start : start + _CHUNK].numpy())
        count, mean, squares, low, high = rows.of_channels()
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self._merge(count, mean, squares)

    def _merge(
        self, count: NDArray[np.int64], mean: NDArray[np.float64], squares: NDArray[np.float64]
    ) -> None:
        """Chan, Golub and LeVeque 1983, equation 2.1, for each channel."""
        total = np.maximum(self.seen + count, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            delta = mean - self.mean
            self.squares += squares + delta**2 * self.seen * count / total
            self.mean += delta * count / total
        self.seen += count

    def joined(self) -> ChannelMoments:
        """The same values as one channel, once the number of channels has changed."""
        one = ChannelMoments(1)
        one.fine = []
        for channel in range(self.count):
            part = slice(channel, channel + 1)
            one._merge(self.seen[part].astype(np.int64), self.mean[part], self.squares[part])
        one.low, one.high = self.low.min(keepdims=True), self.high.max(keepdims=True)
        return one

    def read(self) -> Channels:
        """The statistics so far."""
        some = self.seen > 0
        blank = np.where(some, 0.0, math.nan)
        counts, edges = self._histogram() if self.fine and some.all() else (None, None)
        return Channels(
            self.mean + blank, np.sqrt(self.squares / np.maximum(self.seen, 1)) + blank,
            np.where(some, self.low, math.nan), np.where(some, self.high, math.nan),
            counts, edges,
        )  # fmt: skip

    def _histogram(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(C, B) counts over the same bins for all channels, without very long tails."""
        ends = list(zip(self.fine, self.low, self.high, strict=True))
        low, high = float(self.low.min()), float(self.high.max())
        sides = [
            fine.quantiles((_TAIL / 2, 1 - _TAIL / 2), least, most) for fine, least, most in ends
        ]
        inner = min(a for a, _ in sides), max(b for _, b in sides)
        if inner[1] > inner[0] and high - low > _LONG * (inner[1] - inner[0]):
            room = 0.25 * (inner[1] - inner[0])
            low, high = max(low, inner[0] - room), min(high, inner[1] + room)
        if low == high:
            low, high = low - 0.5, high + 0.5
        found = [fine.drawn(a, b, _BINS, within=(low, high)) for fine, a, b in ends]
        return np.stack([each for each, _ in found]), np.stack([each for _, each in found])
