"""Firing rates of many calls in one picture: a row a call, the dead and saturated shares beside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from netdoctor.facts.activations import CallFacts, Units
from netdoctor.plots import firing_rates as firing
from netdoctor.plots import style

_NAME_SIZE = 7.5
_NAME_LINE = 80
_LINE = 0.15
_MAP, _BAR, _DEAD_TEXT, _PERCENT_TEXT, _GAP = 5.2, 1.1, 1.25, 0.6, 0.2
_LEAST = 1e-3


def map_figure(calls: Sequence[CallFacts], headings: tuple[str, str]) -> Figure:
    """A map of these calls: rows in call order, lanes of firing rates from never to always."""
    units = [call.units for call in calls if call.units is not None]
    names = [style.fold(str(call.site), _NAME_LINE) for call in calls]
    lines = max(map(len, names))
    row = 0.07 + _LINE * lines
    longest = max(len(line) for name in names for line in name)
    left = 0.35 + style.name_width(longest, _NAME_SIZE)
    kinds = max(len(firing.of_role(call)) for call in calls)
    bounded = any(each.saturated is not None for each in units)
    bars = left + _MAP + _GAP
    after = bars + _BAR + _DEAD_TEXT + bounded * (_BAR + _PERCENT_TEXT)
    height = row * len(calls)
    top = 1.2
    figure = style.new_figure(max(after + 0.08 * kinds + 0.3, 10.5), top + height + 0.85)
    style.write(figure, 0.2, 0.28, headings[0], size=12, weight="bold")
    style.write(figure, 0.2, 0.55, headings[1], size=8.5, color=style.FAINT)
    _draw_lanes(style.add_axes(figure, left, top, _MAP, height), units)
    _draw_bars(
        figure, bars, top, height, "dead units", [u.dead_fraction for u in units], firing.DEAD
    )
    if bounded:
        shares = [firing.saturated_share(each) for each in units]
        place = bars + _BAR + _DEAD_TEXT
        _draw_bars(figure, place, top, height, "saturated values", shares, firing.SATURATED)
    for index, (call, name) in enumerate(zip(calls, names, strict=True)):
        middle = top + row * (index + 0.5)
        _label_row(figure, left - 0.08, bars + _BAR + 0.06, middle, call, name)
        style.write(figure, after, middle, firing.of_role(call), size=7.5, color=style.FAINT)
    style.write(
        figure, left, top - 0.12, "% of samples in which a unit fires; calls in order", size=7.5
    )
    _draw_scale(figure, left, top + height + 0.42)
    return figure


def _label_row(
    figure: Figure, names_end: float, text: float, middle: float, call: CallFacts, name: list[str]
) -> None:
    """The whole name before the row and the dead units after it; alarming ones in bold and red."""
    assert call.units is not None
    alarming = firing.is_alarming(call)
    look = {
        "weight": "bold" if alarming else "normal",
        "color": style.ALARM if alarming else style.INK,
    }
    first = middle - _LINE * (len(name) - 1) / 2
    for number, line in enumerate(name):
        style.write(
            figure,
            names_end,
            first + _LINE * number,
            line,
            size=_NAME_SIZE,
            family=style.MONO,
            ha="right",
            **look,
        )
    style.write(figure, text, middle, firing.dead_text(call, call.units), size=7.5, **look)


def _draw_lanes(axes: Axes, calls: Sequence[Units]) -> None:
    """One coloured cell a lane and call; never and rarely also as numbers of units."""
    tables = np.stack([firing.counts(units) for units in calls])
    totals = tables.sum(axis=1)
    shares = totals / totals.sum(axis=1, keepdims=True)
    axes.imshow(_colours(tables, shares), aspect="auto", interpolation="nearest")
    axes.set_ylim(len(calls) - 0.5, -0.5)
    for row, lane in np.argwhere(totals[:, : firing.RARE_LANE + 1]):
        dark = shares[row, lane] > 0.05
        style.write(
            axes,
            lane,
            row,
            f"{totals[row, lane]}",
            size=6.5,
            ha="center",
            color="white" if dark and lane == firing.NEVER_LANE else style.INK,
        )
    for edge in (0.5, 1.5, 11.5):
        axes.axvline(edge, color="white", linewidth=4)
    for edge in range(1, len(calls)):
        axes.axhline(edge - 0.5, color="white", linewidth=0.8)
    firing.label_lanes(axes, spelled=True)


def _colours(tables: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """(calls, LANES, 3) each lane's colour, paler for a smaller share on a logarithmic scale."""
    lane_looks = [firing.RARELY] * 2 + [firing.ORDINARY] * 10 + [firing.ALWAYS]
    full = np.array([[to_rgb(_map_colour(look)) for look in lane_looks]] * len(tables))
    has_dead = tables[:, firing.LOOKS.index(firing.DEAD), firing.NEVER_LANE] > 0
    full[has_dead, firing.NEVER_LANE] = to_rgb(firing.DEAD.colour)
    strength = strength_of(shares)[..., None]
    empty = np.array(to_rgb("#f6f7f9"))
    return np.where(shares[..., None] > 0, 1 - strength * (1 - full), empty)


def strength_of(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """How strongly a share is coloured: 0.1 at 0.1 % and below, 1 at 100 %."""
    decades = np.log10(np.maximum(shares, _LEAST) / _LEAST) / -np.log10(_LEAST)
    strength: NDArray[np.float64] = 0.1 + 0.9 * decades**2
    return strength


def _map_colour(look: firing.Look) -> str:
    return firing.ALWAYS.colour if look is firing.ORDINARY else look.colour


def _draw_bars(
    figure: Figure,
    left: float,
    top: float,
    height: float,
    title: str,
    shares: Sequence[float | None],
    look: firing.Look,
) -> None:
    """A bar a call from 0 to 100 %; saturated shares carry their number."""
    axes = style.add_axes(figure, left, top, _BAR, height)
    places = np.arange(len(shares))
    tracks = [share is not None for share in shares]
    axes.barh(places, tracks, height=0.72, color="#eef1f4", linewidth=0)
    axes.barh(places, [share or 0 for share in shares], height=0.72, **firing.patch(look))
    if look is firing.SATURATED:
        for place, share in enumerate(shares):
            if share is not None:
                style.write(axes, 1.06, place, style.percent(share), size=7.5)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(shares) - 0.5, -0.5)
    style.x_labels(axes, [0, 0.5, 1], ["0", "50", "100 %"])
    style.write(figure, left, top - 0.12, title, size=7.5)


def _draw_scale(figure: Figure, left: float, top: float) -> None:
    """What the depth of a cell's colour means."""
    axes = style.add_axes(figure, left, top, 2.2, 0.13)
    shares = np.logspace(-3, 0, 100)
    strength = strength_of(shares)[None, :, None]
    axes.imshow(1 - strength * (1 - np.array(to_rgb(firing.ALWAYS.colour))), aspect="auto")
    style.x_labels(axes, [0, 33, 66, 99], ["0.1 %", "1 %", "10 %", "100 %"])
    style.write(figure, left + 2.4, top + 0.07, "of the call's units", size=7.5)
    firing.draw_legend(figure, left + 3.7, top, (firing.DEAD, firing.RARELY))
