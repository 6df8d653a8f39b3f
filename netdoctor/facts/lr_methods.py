"""Ways to read a learning rate off the curve of a range test.

Each takes (P,) places, log10 of the rates, and the (P,) smoothed loss, and returns a rate, or
None where it finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BASIN = (0.1, 0.25)  # the basin's edges: where this share of the fall is still missing or lost
INTO = 2 / 3  # how far into the basin, from its left edge to its right one
WIDEST = 1.4  # decades: in a wider one the loss is flat, as of a network that has collapsed
SAFETY = 5.5


def basin(places: Floats, curve: Floats) -> float | None:
    """The suggestion: well inside the basin around the minimum, then down by a factor of 5.5."""
    bottom = int(curve.argmin())
    fall = max(float(curve[0]), float(curve[: bottom + 1].max())) - float(curve[bottom])
    inside = []
    for share in BASIN:
        level = float(curve[bottom]) + share * fall
        left = _crossing(places, curve, level, bottom, -1)
        right = _crossing(places, curve, level, bottom, +1)
        inside.append(left + INTO * min(right - left, WIDEST))
    return float(10 ** np.mean(inside)) / SAFETY


def _crossing(places: Floats, curve: Floats, level: float, start: int, step: int) -> float:
    """Where the curve first reaches a level, seen from `start`; the end where it does not."""
    here = start
    while 0 <= here + step < len(places):
        there = here + step
        if curve[there] >= level > curve[here]:
            share = (level - curve[here]) / (curve[there] - curve[here])
            return float(places[here] + share * (places[there] - places[here]))
        here = there
    return float(places[here])


def steepest(places: Floats, curve: Floats) -> float | None:
    """Where the loss falls fastest per decade, before the minimum."""
    bottom = int(curve.argmin())
    if bottom == 0:
        return None
    slope = np.gradient(curve, places)[: bottom + 1]
    return float(10 ** places[slope.argmin()])


def valley(places: Floats, curve: Floats) -> float | None:
    """Half way down the longest falling subsequence, as fastai's `valley` does."""
    length, best = np.ones(len(curve), int), 0
    for here in range(1, len(curve)):
        lower = length[:here][curve[:here] > curve[here]]
        length[here] = 1 + (lower.max() if len(lower) else 0)
        best = here if length[here] > length[best] else best
    if length[best] < 3:
        return None
    third = int((length[best]) / 3)
    return float(10 ** places[max(0, best - int(length[best])) + third + third // 2])


def tenth_of_minimum(places: Floats, curve: Floats) -> float | None:
    """A tenth of the rate with the lowest loss."""
    return float(10 ** places[curve.argmin()]) / 10


def slide(places: Floats, curve: Floats, apart: int = 15, flat: float = 0.005) -> float | None:
    """Sliding down from the end until the slopes at both ends of a window agree.

    As fastai's `slide` does; it starts where the loss was lowest, behind which all is divergence.
    """
    end = min(len(curve), int(curve.argmin()) + apart)
    slope = np.gradient(curve[:end]) if end > 2 else np.zeros(end)
    scale = flat * max(1e-12, float(np.ptp(curve[:end])))
    right, found = end - 1, None
    while right - apart >= 0 and abs(slope[right] - slope[right - apart]) > scale:
        found = float(10 ** places[right - apart])
        right -= 1
    return found


WAYS: dict[str, Callable[[Floats, Floats], float | None]] = {
    "basin": basin,
    "steepest": steepest,
    "valley": valley,
    "minimum/10": tenth_of_minimum,
    "slide": slide,
}
"""By name; the suggestion is the first one's."""
