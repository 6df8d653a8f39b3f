"""Whether a series improves all along, beyond its noise."""

from __future__ import annotations

import numpy as np

from netdoctor.probes.curve_smoothing import Floats

_BUCKETS = 12


def buckets(y: Floats) -> Floats:
    """(≤ 12,) medians of stretches of equal length."""
    parts = np.array_split(y, min(_BUCKETS, len(y)))
    return np.array([float(np.median(part)) for part in parts])


def mann_kendall(y: Floats) -> float:
    """Standard score of the number of pairs that fall less those that rise; ties count half.

    0 expected without a trend, 1 its standard deviation, for independent points of any one
    distribution: heavy tails change nothing.
    """
    size = len(y)
    if size < 3:
        return 0.0
    later, sooner = np.tril_indices(size, -1)
    signs = float(np.sign(y[sooner] - y[later]).sum())
    ties = np.unique(y, return_counts=True)[1].astype(float)
    spread = size * (size - 1) * (2 * size + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())
    return signs / float(np.sqrt(spread / 18)) if spread > 0 else 0.0


def steadiness(cost: Floats) -> float:
    """The score of its buckets after the first eighth: above 0 where it improves."""
    return mann_kendall(buckets(cost[len(cost) // 8 :]))


def thirds(y: Floats) -> tuple[float, float, float]:
    """The median level of each third; of fewer than three points the same for all."""
    if len(y) < 3:
        return (float(np.median(y)),) * 3
    first, second, third = (float(np.median(part)) for part in np.array_split(y, 3))
    return first, second, third
