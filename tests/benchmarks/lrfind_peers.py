"""How other learning rate finders read a sweep, written after their sources.

Each takes the rates (P,) and the raw losses (≤ P,) of one sweep over a rising rate, and returns
the rate that it suggests, or None.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rule = Callable[[Floats, Floats], "float | None"]


def _averaged(losses: Floats, keep: float) -> Floats:
    """The bias-corrected exponential mean."""
    total, smoothed = 0.0, []
    for count, loss in enumerate(losses, 1):
        total = keep * total + (1 - keep) * loss
        smoothed.append(total / (1 - keep**count))
    return np.array(smoothed)


def _until(losses: Floats, factor: float) -> int:
    """How many losses come before one exceeds the best so far by a factor, that one included."""
    best = np.minimum.accumulate(losses)
    above = np.flatnonzero(losses > factor * best)
    return int(above[0]) + 1 if len(above) else len(losses)


def torch_lr_finder(rates: Floats, losses: Floats) -> float | None:
    """torch-lr-finder 0.2: steepest by index, smoothing 0.05, divergence 5, skips 10 and 5."""
    smoothed = [float(losses[0])]
    for loss in losses[1:]:
        smoothed.append(0.05 * float(loss) + 0.95 * smoothed[-1])
    kept = np.array(smoothed)[: _until(np.array(smoothed), 5)][10:-5]
    return float(rates[10 + np.gradient(kept).argmin()]) if len(kept) > 1 else None


def _fastai(rates: Floats, losses: Floats) -> tuple[Floats, Floats]:
    smoothed = _averaged(losses, 0.98)
    smoothed = smoothed[: _until(smoothed, 4)]
    first = len(rates) // 10
    return rates[: len(smoothed)][first:-5], smoothed[first:-5]


def fastai_valley(rates: Floats, losses: Floats) -> float | None:
    """Fastai 2: half way down the longest falling subsequence."""
    rates, losses = _fastai(rates, losses)
    count, start, end = len(losses), 0, 0
    lengths = [1] * count
    for here in range(1, count):
        for before in range(here):
            if losses[here] < losses[before] and lengths[here] < lengths[before] + 1:
                lengths[here] = lengths[before] + 1
            if lengths[end] < lengths[here]:
                end = here
                start = end - lengths[end]
    sections = (end - start) / 3
    return float(rates[start + int(sections) + int(sections / 2)]) if count else None


def minimum_tenth(rates: Floats, losses: Floats) -> float | None:
    """Fastai 2, `minimum`: a tenth of the rate with the lowest loss."""
    rates, losses = _fastai(rates, losses)
    return float(rates[losses.argmin()]) / 10 if len(losses) else None


def lightning(rates: Floats, losses: Floats) -> float | None:
    """Lightning 2: steepest by the rate itself, smoothing 0.98, divergence 4, skips 10 and 1."""
    smoothed = _averaged(losses, 0.98)
    kept = smoothed[: _until(smoothed, 4)][10:-1]
    if len(kept) < 2:
        return None
    return float(rates[10 + np.gradient(kept, rates[10 : 10 + len(kept)]).argmin()])


def tutorial(rates: Floats, losses: Floats) -> float | None:
    """The usual tutorial's: where the raw loss falls most from one step to the next."""
    return float(rates[np.gradient(losses).argmin()]) if len(losses) > 1 else None


PEERS: dict[str, Rule] = {
    "minimum/10 (fastai)": minimum_tenth,
    "valley (fastai)": fastai_valley,
    "steepest (torch-lr-finder)": torch_lr_finder,
    "steepest (Lightning)": lightning,
    "raw gradient (tutorial)": tutorial,
}
