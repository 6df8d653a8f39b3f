"""Bars, lanes and scale of the gradient pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from netdoctor.facts.gradflow import ParameterGradient, State
from netdoctor.plots import style

MEAN_COLOUR, MAX_COLOUR = "#1f5f99", "#b9cfe2"
_TICKS = 8


@dataclass(frozen=True, slots=True)
class Lane:
    """Where parameters are marked that have no place on the log axis."""

    state: State
    word: str
    short: str
    colour: str
    hatch: str


LANES = (
    Lane("non-finite", "NaN, Inf", "NaN", "#b11218", "////"),
    Lane("missing", "missing", "none", "#8e5ab0", "xxxx"),
    Lane("zero", "zero", "zero", "#3a3f47", "...."),
    Lane("frozen", "frozen", "frozen", "#aab4be", ""),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Whole decades, low and high, between which all values lie."""

    low: int
    high: int

    @property
    def limits(self) -> tuple[float, float]:
        """The axis limits, in decades."""
        return self.low - 0.05, self.high + 0.05

    def ticks(self) -> list[int]:
        """Some whole decades, evenly spaced."""
        step = max(1, math.ceil((self.high - self.low) / _TICKS))
        return list(range(self.low, self.high + 1, step))


def scale_of(parameters: Sequence[ParameterGradient]) -> Scale:
    """The decades that hold the means and maxima of all parameters with values."""
    values = [each for each in parameters if each.state == "value"]
    means = [each.mean for each in values if each.mean > 0]
    low = math.floor(math.log10(min(means))) if means else -3
    high = math.ceil(math.log10(max(each.maximum for each in values))) if values else 0
    return Scale(low, max(high, low + 2))


def lanes_of(parameters: Sequence[ParameterGradient]) -> list[Lane]:
    """The lanes that some parameter is in."""
    states = {each.state for each in parameters}
    return [lane for lane in LANES if lane.state in states]


def ink(each: ParameterGradient) -> str:
    """The colour of a parameter's name."""
    return style.ALARM if each.alarming else style.INK


def draw_bars(
    axes: Axes,
    parameters: Sequence[ParameterGradient],
    scale: Scale,
    *,
    upright: bool,
    places: Sequence[float] | None = None,
    thickness: float = 0.8,
) -> None:
    """A light bar up to the largest |g| and a dark, thinner one up to the mean."""
    at = np.arange(len(parameters)) if places is None else np.asarray(places)
    shown = np.array([each.state == "value" for each in parameters])
    start = scale.limits[0]
    for colour, share, values in (
        (MAX_COLOUR, 1.0, [each.maximum for each in parameters]),
        (MEAN_COLOUR, 0.55, [each.mean for each in parameters]),
    ):
        sizes = np.array([max(math.log10(v) - start, 0.0) if v > 0 else 0.0 for v in values])
        if upright:
            axes.bar(at[shown], sizes[shown], thickness * share, start, color=colour, linewidth=0)
        else:
            axes.barh(at[shown], sizes[shown], thickness * share, start, color=colour, linewidth=0)


def draw_marks(
    axes: Axes,
    parameters: Sequence[ParameterGradient],
    lanes: Sequence[Lane],
    *,
    upright: bool,
    places: Sequence[float] | None = None,
    thickness: float = 0.8,
) -> None:
    """A mark for each parameter in the lane of its state."""
    for number in range(len(lanes) + 1):
        line = axes.axhline if upright else axes.axvline
        line(number, color=style.RULE, linewidth=0.6, zorder=0)
    for place, each in enumerate(parameters):
        found = next((n for n, lane in enumerate(lanes) if lane.state == each.state), None)
        if found is None:
            continue
        at: float = place if places is None else places[place]
        along, across = (at - thickness / 2, found + 0.15), (thickness, 0.7)
        if not upright:
            along, across = along[::-1], across[::-1]
        axes.add_patch(Rectangle(along, *across, **_patch(lanes[found])))


def rule_axes(axes: Axes, scale: Scale, *, along: str) -> None:
    """Thin lines at the decades, with their names at the axis' start."""
    ticks = scale.ticks()
    texts = [f"1e{'−' if tick < 0 else ''}{abs(tick)}" for tick in ticks]
    if along == "x":
        style.x_labels(axes, ticks, texts)
    else:
        axes.set_yticks(ticks)
        axes.set_yticklabels(
            texts, fontsize=7, family=style.SANS, color=style.FAINT, parse_math=False
        )
        axes.tick_params(axis="y", length=2.5, width=0.6, color=style.FAINT, pad=2)
    axes.grid(axis="x" if along == "x" else "y", color=style.RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def draw_legend(figure: Figure, left: float, top: float, lanes: Sequence[Lane]) -> None:
    """One line of patches and labels, left and top in inches."""
    entries: list[tuple[str, dict[str, Any]]] = [
        ("mean |g|", {"facecolor": MEAN_COLOUR, "linewidth": 0}),
        ("largest |g|", {"facecolor": MAX_COLOUR, "linewidth": 0}),
        *((_LABELS[lane.state], _patch(lane)) for lane in lanes),
    ]
    for label, look in entries:
        swatch = style.add_axes(figure, left, top, 0.24, 0.14)
        swatch.set_xlim(0, 1)
        swatch.set_ylim(0, 1)
        swatch.add_patch(Rectangle((0, 0), 1, 1, **look))
        style.write(figure, left + 0.31, top + 0.07, label, size=7.5)
        left += 0.5 + 0.055 * len(label)


_LABELS = {
    "non-finite": "NaN or infinite",
    "missing": "missing in the graph of the loss",
    "zero": "exactly zero",
    "frozen": "frozen",
}


def _patch(lane: Lane) -> dict[str, Any]:
    edge = "white" if lane.hatch else lane.colour
    return {"facecolor": lane.colour, "edgecolor": edge, "hatch": lane.hatch, "linewidth": 0}
