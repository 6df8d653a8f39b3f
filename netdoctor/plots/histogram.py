"""One call's histogram in a panel of fixed lanes: exact zeros, finite values, non-finite values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from netdoctor.facts.activations import CallFacts, Moments
from netdoctor.plots import style

# Lanes of a panel whose width and height are 1.
ZERO_LANE, LEFT, RIGHT, BAD_LANE = 0.035, 0.12, 0.87, 0.955
_BAR = 0.07
_STEEP = 50
_WIDE = 40

ZERO_COLOUR = "#8793a1"
VALUE_COLOUR = "#4c86b8"


@dataclass(frozen=True, slots=True)
class Scale:
    """Places values between LEFT and RIGHT; beyond `linear` (if any) distances are logarithmic."""

    lowest: float
    highest: float
    linear: float | None

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K,) panel coordinates of these values, kept within the finite lane."""
        low, high = self._bend(np.array([self.lowest, self.highest]))
        share = (self._bend(values) - low) / (high - low)
        places: NDArray[np.float64] = LEFT + (RIGHT - LEFT) * np.clip(share, 0, 1)
        return places

    def ticks(self) -> list[float]:
        """A few round values within the range."""
        if self.linear is None:
            found = MaxNLocator(nbins=4, steps=[1, 2, 5, 10]).tick_values(self.lowest, self.highest)
            return [float(v) for v in found if self.lowest <= v <= self.highest]
        first = math.ceil(math.log10(self.linear))
        last = math.floor(math.log10(max(abs(self.lowest), abs(self.highest))))
        powers = [10.0**power for power in range(first, last + 1)]
        signed = [self.lowest, *(-power for power in powers), 0.0, *powers, self.highest]
        return _apart(self, {v for v in signed if self.lowest <= v <= self.highest})

    def _bend(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.asarray(values, dtype=np.float64)
        return values if self.linear is None else np.arcsinh(values / self.linear)


def draw_histogram(axes: Axes, call: CallFacts) -> None:
    """Draws the panel of one call; every kind of call (constant, empty, all NaN) has its look."""
    moments = call.moments
    assert moments is not None
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.12)
    axes.plot([LEFT - 0.02, RIGHT + 0.02], [0, 0], color=style.FAINT, linewidth=0.8, clip_on=False)
    if not moments.count:
        _remark(axes, "no values: the output is empty")
        return
    _draw_zeros(axes, moments.zeros / moments.count)
    _draw_non_finite(axes, moments)
    if not moments.finite:
        _remark(axes, "no finite value", color=style.ALARM)
    elif moments.minimum >= moments.maximum:
        _draw_constant(axes, moments)
    else:
        _draw_values(axes, call, moments)


def _draw_values(axes: Axes, call: CallFacts, moments: Moments) -> None:
    scale = scale_of(moments)
    ticks = scale.ticks()
    style.x_labels(axes, scale(np.array(ticks)).tolist(), style.tick_texts(ticks), 6.5)
    density, places = densities(call, moments, scale)
    if density is None:
        _remark(axes, "no histogram was taken")
        return
    heights, logarithmic = _heights(density)
    axes.stairs(heights, places, fill=True, color=VALUE_COLOUR, linewidth=0)
    remarks = ["log x"] * (scale.linear is not None) + ["log y"] * logarithmic
    style.write(axes, RIGHT, 1.05, " · ".join(remarks), size=6.5, ha="right", color=style.FAINT)


def densities(
    call: CallFacts, moments: Moments, scale: Scale
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    """(B,) density of the non-zero finite values over the panel's width, and (B + 1,) bin edges.

    The exact zeros, which have their own bar, are taken out of the bin that holds them. None when
    there is no histogram.
    """
    if call.histogram is None or call.edges is None or not call.histogram.sum():
        return None, np.empty(0)
    counts = call.histogram.astype(np.float64)
    bin_of_zero = int(np.searchsorted(call.edges, 0, side="right")) - 1
    if call.edges[-1] == 0:
        bin_of_zero = len(counts) - 1
    if 0 <= bin_of_zero < len(counts):
        share = moments.zeros / max(moments.finite, 1)
        counts[bin_of_zero] = max(0.0, counts[bin_of_zero] - share * counts.sum())
        if counts[bin_of_zero] < 0.5:
            counts[bin_of_zero] = 0
    places = scale(np.clip(call.edges, moments.minimum, moments.maximum))
    widths = np.diff(places)
    density = np.divide(counts, widths, out=np.zeros_like(counts), where=widths > 0)
    return density, places


def _heights(density: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Bar heights in [0, 1] and whether they are logarithmic: only where a peak hides the rest."""
    present = density[density > 0]
    if not len(present):
        return density, False
    top = present.max()
    if top <= _STEEP * np.median(present):
        return density / top, False
    floor = max(present.min() / 2, top * 1e-6)
    decades = np.log10(np.maximum(density, floor) / floor) / np.log10(top / floor)
    return np.where(density > 0, np.maximum(decades, 0.02), 0), True


def scale_of(moments: Moments) -> Scale:
    """Linear over the range of the values, bent where outliers would squeeze all others."""
    spread = moments.maximum - moments.minimum
    around_zero = max(abs(moments.minimum), abs(moments.maximum)) <= 2 * spread
    squeezed = 0 < moments.std < spread / _WIDE
    bend = moments.std if around_zero and squeezed else None
    return Scale(moments.minimum, moments.maximum, bend)


def _draw_zeros(axes: Axes, share: float) -> None:
    """The share of exact zeros as a bar of its own, full height for all."""
    if not share:
        return
    corner = (ZERO_LANE - _BAR / 2, 0)
    axes.add_patch(Rectangle(corner, _BAR, max(share, 0.012), color=ZERO_COLOUR, linewidth=0))
    text = style.percent(share)
    style.write(axes, 0, min(share, 1) + 0.02, text, size=6.5, va="bottom", color=style.FAINT)
    style.write(axes, 0, -0.075, "=0", size=6.5, va="top", color=style.FAINT)


def _draw_non_finite(axes: Axes, moments: Moments) -> None:
    """NaN and infinities as a hatched red bar that is seen however few they are."""
    bad = moments.nan + moments.inf
    if not bad:
        return
    height = max(bad / moments.count, 0.06)
    axes.add_patch(
        Rectangle(
            (BAD_LANE - _BAR / 2, 0),
            _BAR,
            height,
            facecolor=style.ALARM,
            edgecolor="white",
            hatch="////",
            linewidth=0,
        )
    )
    parts = [f"{moments.nan:,} NaN"] * bool(moments.nan) + [f"{moments.inf:,} Inf"] * bool(
        moments.inf
    )
    look: dict[str, Any] = {"size": 6.5, "ha": "right", "color": style.ALARM, "weight": "bold"}
    style.write(axes, 1, min(height, 1) + 0.02, " ".join(parts), va="bottom", **look)


def _draw_constant(axes: Axes, moments: Moments) -> None:
    """A single value: one line in the middle, unless it is the zero that has a bar already."""
    value = moments.minimum
    if value != 0:
        middle = (LEFT + RIGHT) / 2
        axes.plot([middle, middle], [0, 0.7], color=VALUE_COLOUR, linewidth=3)
    _remark(axes, f"constant: every finite value is {style.brief(value)}", height=0.82)


def _remark(axes: Axes, text: str, *, height: float = 0.45, color: str = style.FAINT) -> None:
    style.write(axes, (LEFT + RIGHT) / 2, height, text, size=7, ha="center", color=color)


def _apart(scale: Scale, ticks: set[float]) -> list[float]:
    """The ticks without those that would stand too close to the one before; zero always stays."""
    ordered = sorted(ticks, key=abs, reverse=True)
    places = dict(zip(ordered, scale(np.array(ordered)).tolist(), strict=True))
    kept = [tick for tick in ordered if tick == 0]
    for tick in ordered:
        if all(abs(places[tick] - places[other]) > 0.13 for other in kept):
            kept.append(tick)
    return sorted(kept)
