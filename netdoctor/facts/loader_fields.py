"""One field of the batches of a loader: its kind, values and statistics."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FieldKind = Literal["image", "dense", "tabular", "binary", "integers", "tokens", "other"]
"""image: 2 spatial axes and a few channels. dense: other numbers on axes (signals, spectrograms,
volumes). tabular: (N, F) numbers. binary: two values only. integers: whole numbers. tokens: ids."""

Layout = Literal["channels-first", "channels-last", ""]


@dataclasses.dataclass(frozen=True, slots=True)
class Channels:
    """Statistics of the finite values of each channel, or of all where there are no channels.

    Attributes:
        mean, std, minimum, maximum: (C,), float64; NaN where there is no finite value.
        counts: (C, B) histogram, for a few channels; None for many.
        edges: (C, B + 1) of the histogram.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    counts: NDArray[np.int64] | None = None
    edges: NDArray[np.float64] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FieldFacts:
    """One tensor of the batches.

    Attributes:
        name: `input`, `input[1]`, `input_ids`, `target`, …
        role: `input` or `target`.
        dtype: `float32`; the Python type of what is no tensor.
        shape: of one sample; None for an axis whose length varies; empty for scalars.
        kind: what the values look like.
        layout: where the channels of an image are.
        samples, values: how many were seen.
        channels: statistics; None for what is no tensor.
        whole: share of the finite values that are whole numbers.
        zeros: share of the finite values that are 0.
        nan, inf: number of NaN and infinite values.
        nan_samples, inf_samples: samples that hold some.
        nan_at, inf_at: names of the first of those samples.
        mask: whether all infinities are -inf and everything else 0: an additive mask.
        partial_nan: whether every sample with NaN has finite values too.
        constant: samples of which all values are equal, or nearly; images and dense fields only.
        constant_at: names of the first of those samples.
        dead_channels: channels with one value in all samples, while others vary.
        padding: id that fills the ends of token rows; None where there is none.
        padded: share of the values that are such padding.
        empty_rows: token rows of padding alone.
        correlated: whether all channels of an image are the same.
        typical: median of the samples' deviations; NaN where there is none.
        far: samples whose deviation is many times that.
        far_deviation: the smallest of theirs.
        far_at: names of the first of those samples.
    """

    name: str
    role: Literal["input", "target"]
    dtype: str
    shape: tuple[int | None, ...]
    kind: FieldKind
    layout: Layout = ""
    samples: int = 0
    values: int = 0
    channels: Channels | None = None
    whole: float = 0.0
    zeros: float = 0.0
    nan: int = 0
    inf: int = 0
    nan_samples: int = 0
    inf_samples: int = 0
    nan_at: tuple[str, ...] = ()
    inf_at: tuple[str, ...] = ()
    mask: bool = False
    partial_nan: bool = False
    constant: int = 0
    constant_at: tuple[str, ...] = ()
    dead_channels: tuple[int, ...] = ()
    padding: int | None = None
    padded: float = 0.0
    empty_rows: int = 0
    correlated: bool = False
    typical: float = math.nan
    far: int = 0
    far_deviation: float = math.nan
    far_at: tuple[str, ...] = ()

    @property
    def minimum(self) -> float:
        """The smallest finite value; NaN without any."""
        return _over(np.nanmin, self.channels.minimum) if self.channels else math.nan

    @property
    def maximum(self) -> float:
        """The largest finite value; NaN without any."""
        return _over(np.nanmax, self.channels.maximum) if self.channels else math.nan

    @property
    def mean(self) -> float:
        """The mean over all channels, each of the same weight."""
        return _over(np.nanmean, self.channels.mean) if self.channels else math.nan

    @property
    def std(self) -> float:
        """The standard deviation of all values, channels of the same size."""
        if self.channels is None or not np.isfinite(self.channels.mean).all():
            return math.nan
        with np.errstate(over="ignore", invalid="ignore"):
            between = self.channels.mean.var()
            return float(np.sqrt((self.channels.std**2).mean() + between))


def _over(reduce: Any, values: NDArray[np.float64]) -> float:
    return float(reduce(values)) if np.isfinite(values).any() else math.nan
