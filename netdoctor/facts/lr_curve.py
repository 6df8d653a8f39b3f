"""The loss over the learning rate of a range test: smoothed, judged, and read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.lr_methods import WAYS

Floats = NDArray[np.float64]

WIDTH = 0.35  # decades: standard deviation of the smoothing kernel
FIRST = 0.1  # share of the steps that gives the loss at the start
LEAST_POINTS = 20
LEAST_DESCENT = 4.5  # standard errors
LEAST_FALL = 0.02
_ROUNDING = 1e-6  # share of the loss below which a change is float32's rounding
_WATCHED_FROM = 10  # losses that tell how far they scatter, before divergence can be told


@dataclasses.dataclass(frozen=True, slots=True)
class Method:
    """What one way of reading the curve suggests.

    Attributes:
        name: `basin`, `steepest`, `valley`, `minimum/10`, `slide`.
        rate: read off the mean of all repeats; None where it finds nothing.
        low, high: the lowest and highest of what it reads off the repeats one by one.
    """

    name: str
    rate: float | None
    low: float | None
    high: float | None

    @property
    def band(self) -> tuple[float, float] | None:
        """(low, high), if there is any."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a range test says.

    Attributes (P points, R repeats):
        rates: (P,) rising.
        smoothed: (R, P) each repeat's loss, smoothed in log lr; capped where it has diverged.
        mean: (P,) their mean.
        start: the loss at the lowest rates, mean over the first tenth of the steps.
        lowest: the least of `mean`.
        noise: standard deviation of a step's loss around its smoothed curve, before the loss
            has fallen half way.
        descent: how far the loss fell, in standard errors of that difference.
        methods: `basin`, the suggestion, first.
        suggestion: the rate to start from; None for declined.
        band: (low, high) what the repeats suggest one by one; None when declined.
        reason: why it was declined; empty otherwise.
    """

    rates: Floats
    smoothed: Floats
    mean: Floats
    start: float
    lowest: float
    noise: float
    descent: float
    methods: tuple[Method, ...]
    suggestion: float | None
    band: tuple[float, float] | None
    reason: str

    def __post_init__(self) -> None:
        if (self.suggestion is None) != bool(self.reason):
            raise ValueError("a suggestion has no reason to be declined, and a declined one has")

    @property
    def fall(self) -> float:
        """How far the loss fell, as a share of where it started."""
        return _share(self.start - self.lowest, self.start)


def read(rates: Floats, losses: Sequence[Floats]) -> Reading:
    """The curve of one or more sweeps, and which learning rate it suggests.

    The suggestion lies two thirds of the way from the left to the right edge of the basin in
    which the smoothed loss is low, on a log scale, and from there down by a factor of 5.5: a
    rate that is passed in one step of the sweep has to be stable for all of training. Of a basin
    wider than 1.4 decades, the first 1.4 count.

    Args:
        rates: (P,) the whole sweep's rates, rising by a constant factor.
        losses: R arrays (≤ P,) with the loss at each rate until the sweep ended; finite.
    """
    places = np.log10(rates)
    if min(map(len, losses)) == 0:
        return _unread(rates, "the loss is not finite at the first step, before any update")
    width = max(WIDTH, 1.5 * float(np.mean(np.diff(places))) if len(places) > 1 else WIDTH)
    start, capped = _capped(places, losses, width)
    smoothed = np.array([smooth(each, places, width) for each in capped])
    mean = smoothed.mean(0)
    noise = _noise(losses, smoothed, start)
    density = (len(places) - 1) / max(places[-1] - places[0], 1e-9)
    points = len(losses) * np.array([_first(len(places)), max(1, 3.5 * width * density)])
    error = noise * float(np.sqrt((1 / points).sum()))
    drop = start - float(mean.min())
    descent = drop / error if noise > _ROUNDING * abs(start) else 0.0
    methods = _methods(places, mean, smoothed)
    best = methods[0]
    reading = Reading(
        rates, smoothed, mean, start, float(mean.min()), noise, float(descent), methods,
        suggestion=best.rate, band=best.band, reason="",
    )  # fmt: skip
    reason = _declined(losses, start, drop, descent, noise)
    return declined(reading, reason) if reason else reading


def declined(reading: Reading, reason: str) -> Reading:
    """The same reading, its suggestion withdrawn for a reason that the curve does not know."""
    methods = tuple(Method(method.name, None, None, None) for method in reading.methods)
    return dataclasses.replace(reading, methods=methods, suggestion=None, band=None, reason=reason)


def smooth(values: Floats, places: Floats, width: float) -> Floats:
    """(P,) the mean around each place by a Gaussian kernel, bias-corrected at both ends.

    Args:
        values: (P,) finite.
        places: (P,) log10 of the rates.
        width: the kernel's standard deviation, in decades.
    """
    weights = np.exp(-0.5 * ((places[:, None] - places[None]) / width) ** 2)
    result: Floats = (weights @ values) / weights.sum(1)
    return result


class DivergenceWatch:
    """Told each loss as it comes: whether the run has diverged.

    It has when three losses in a row lie above the best smoothed loss by four times what was
    gained, by four times the range of the first ten losses, and by half of their mean.
    """

    def __init__(self, steps_a_decade: float) -> None:
        self._keep = float(np.exp(-1 / max(WIDTH * steps_a_decade, 1.0)))
        self._sum = self._weight = 0.0
        self._best = np.inf
        self._first: list[float] = []
        self._above = 0

    def __call__(self, loss: float) -> bool:
        """Whether that loss is the one too many."""
        self._sum = self._keep * self._sum + (1 - self._keep) * loss
        self._weight = self._keep * self._weight + (1 - self._keep)
        if len(self._first) < _WATCHED_FROM:
            self._first.append(loss)
            return False
        start = sum(self._first) / len(self._first)
        best = min(self._best, start)
        spread = max(self._first) - min(self._first)
        room = max(4 * (start - best), 4 * spread, 0.5 * abs(start))
        self._above = self._above + 1 if loss > best + room else 0
        self._best = min(best, self._sum / self._weight)
        return self._above >= 3


def _first(count: int) -> int:
    """How many points give the loss at the start."""
    return max(min(count, 3), int(FIRST * count))


def _capped(places: Floats, losses: Sequence[Floats], width: float) -> tuple[float, list[Floats]]:
    """The loss at the start, and the losses over all places, flat where they have exploded."""
    start = float(np.mean([each[: _first(len(places))].mean() for each in losses]))
    best = min(smooth(each, places[: len(each)], width).min() for each in losses)
    top = start + max(start - float(best), 1e-12)
    whole = []
    for each in losses:
        full = np.full(len(places), top)
        full[: len(each)] = np.minimum(each, top)
        whole.append(full)
    return start, whole


def _noise(losses: Sequence[Floats], smoothed: Floats, start: float) -> float:
    """Of a step's loss, from the part of the curve before half of the fall."""
    mean = smoothed.mean(0)
    bottom = int(mean.argmin())
    above = np.flatnonzero(mean[:bottom] >= (start + mean[bottom]) / 2)
    until = max(int(above[-1]) + 1 if len(above) else 0, 2 * _first(len(mean)))
    apart = [
        each[:until] - curve[: len(each)][:until]
        for each, curve in zip(losses, smoothed, strict=True)
    ]
    return float(np.concatenate(apart).std())


def _declined(
    losses: Sequence[Floats], start: float, drop: float, descent: float, noise: float
) -> str:
    points = int(np.median([len(each) for each in losses]))
    if points < LEAST_POINTS:
        return f"only {points} usable points: {LEAST_POINTS} are needed"
    if all(np.ptp(each) <= _ROUNDING * abs(start) for each in losses):
        return f"the loss is constant: {start:.4g} at every learning rate"
    if descent < LEAST_DESCENT or drop < LEAST_FALL * abs(start):
        return (
            f"nothing was learnt beyond the noise: the smoothed loss fell by at most "
            f"{_percent(drop, start)} of {start:.3g}, and the noise of a step is "
            f"{_percent(noise, start)}; a longer test (--steps {3 * points}) sees more"
        )
    return ""


def _share(part: float, whole: float) -> float:
    return part / abs(whole) if whole else 0.0


def _percent(part: float, whole: float) -> str:
    value = 100 * _share(part, whole)
    return f"{value:.2g} %" if value < 10 else f"{value:.0f} %"


def _unread(rates: Floats, reason: str) -> Reading:
    nothing = np.full(len(rates), np.nan)
    return Reading(
        rates, nothing[None], nothing, np.nan, np.nan, np.nan, 0.0, (),
        suggestion=None, band=None, reason=reason,
    )  # fmt: skip


def _methods(places: Floats, mean: Floats, smoothed: Floats) -> tuple[Method, ...]:
    found = []
    for name, method in WAYS.items():
        rate = method(places, mean)
        each = [value for value in (method(places, curve) for curve in smoothed) if value]
        low, high = (min(each), max(each)) if each else (None, None)
        if rate is not None and low is not None and high is not None:
            low, high = min(low, rate), max(high, rate)
        found.append(Method(name, rate, low, high))
    return tuple(found)
