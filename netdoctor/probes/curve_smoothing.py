"""Levels, trends and noise of a series, robust to outliers and to what the trend does."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SECOND = 1.5**0.5  # standard deviation of y - (left + right) / 2 for a y of 1
_THIRD = 20**0.5  # the same of a third difference
_MEDIAN, _QUARTILE = 0.6745, 1.1503  # of |z| of a standard normal z


def thinned(x: Floats, y: Floats, most: int, by: str = "median") -> tuple[Floats, Floats]:
    """(P ≤ most,) medians of x, and of y or its means, over stretches; as they are if few."""
    if len(y) <= most:
        return x, y
    size = -(-len(y) // most)
    whole = len(y) // size * size
    xs = np.median(x[:whole].reshape(-1, size), axis=1)
    middle = np.median if by == "median" else np.mean
    ys = np.asarray(middle(y[:whole].reshape(-1, size), axis=1), dtype=np.float64)
    if len(y) - whole >= size / 2:
        xs = np.append(xs, np.median(x[whole:]))
        ys = np.append(ys, middle(y[whole:]))
    return xs, ys


def running(y: Floats, width: int, by: str = "median") -> Floats:
    """(P,) median or mean over `width` points around each, fewer at both ends."""
    half = width // 2
    padded = np.pad(y, half, constant_values=np.nan)
    windows = sliding_window_view(padded, 2 * half + 1)
    middle = np.nanmedian if by == "median" else np.nanmean
    return np.asarray(middle(windows, axis=1), dtype=np.float64)


def trend(y: Floats) -> Floats:
    """(P,) running median, then running mean, over about a tenth of the points."""
    if len(y) < 5:
        return np.array(y, dtype=np.float64)
    width = min(31, max(3, len(y) // 10)) | 1
    return running(running(y, width), width if len(y) >= 30 else 3, "mean")


def residuals(y: Floats) -> Floats:
    """(P - 2,) what each point is off the middle of its neighbours, as standard deviations."""
    result: Floats = np.abs(y[1:-1] - (y[:-2] + y[2:]) / 2) / _SECOND
    return result


def noise(y: Floats) -> float:
    """Standard deviation of a point around the trend, by the median: outliers do not count.

    By second or third differences, whichever are less: a bend of the trend is in the second.
    """
    if len(y) < 3:
        return 0.0
    second = float(np.median(residuals(y)))
    if len(y) < 5:
        return second / _MEDIAN
    third = float(np.median(np.abs(np.diff(y, 3)))) / _THIRD
    return float(min(second, third) / _MEDIAN)


def roughness(y: Floats) -> float:
    """The same by the upper quartile: a third of the points may make it."""
    return float(np.quantile(residuals(y), 0.75) / _QUARTILE) if len(y) > 2 else 0.0


def last(y: Floats, share: float = 0.1) -> int:
    """How many points make the level at an end."""
    return min(len(y), max(2, round(share * len(y))))


def level(y: Floats) -> float:
    """Of a few points: mean of two, median of more."""
    return float(np.median(y))
