"""Firing rates of the units of every activation call: a panel each, or one map of many calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netdoctor.facts.activations import ActivationFacts, CallFacts, Units
from netdoctor.plots import firing_rates as firing
from netdoctor.plots import style
from netdoctor.plots.firing_map import map_figure

PANELS_AT_MOST = 12
ROWS_A_PAGE = 60

_PANEL_WIDTH, _PANEL_HEIGHT = 3.9, 1.5
_NAME_SIZE = 8.5
_LINE = 0.16


def figures(facts: ActivationFacts) -> list[tuple[str, Figure]]:
    """Firing-rate pictures with their file stems; empty when no call has units.

    Up to 12 calls get a histogram each; more share a map with a row a call, 60 rows a page.
    """
    calls = [call for call in facts.calls if call.units is not None and call.units.count]
    if not calls:
        return []
    with style.quiet():
        if len(calls) <= PANELS_AT_MOST:
            return [("deadneurons", _panel_figure(facts, calls))]
        sheets = style.pages(calls, ROWS_A_PAGE)
        return [
            (
                style.page_stem("deadneurons", number, len(sheets)),
                map_figure(
                    sheet, firing.headings(facts, calls, style.page_note(number, len(sheets)))
                ),
            )
            for number, sheet in enumerate(sheets, 1)
        ]


def _panel_figure(facts: ActivationFacts, calls: Sequence[CallFacts]) -> Figure:
    columns = 1 if len(calls) == 1 else 2 if len(calls) <= 4 else 3
    width = max(_PANEL_WIDTH, 10.2 / columns)
    capacity = style.name_capacity(width - 0.6, _NAME_SIZE)
    names = [style.fold(str(call.site), capacity) for call in calls]
    starts = range(0, len(calls), columns)
    heads = [_LINE * max(map(len, names[start : start + columns])) + 0.36 for start in starts]
    tops = [
        0.85,
        *(0.85 + np.cumsum(heads) + (_PANEL_HEIGHT + 0.42) * np.arange(1, len(heads) + 1)),
    ]
    figure = style.new_figure(width * columns + 0.3, tops[-1] + 0.4)
    title, subtitle = firing.headings(facts, calls, "")
    style.write(figure, 0.3, 0.28, title, size=12, weight="bold")
    style.write(figure, 0.3, 0.55, subtitle, size=8.5, color=style.FAINT)
    for index, (call, name) in enumerate(zip(calls, names, strict=True)):
        row, column = divmod(index, columns)
        left, top = 0.3 + width * column, tops[row]
        axes = style.add_axes(figure, left, top + heads[row], width - 0.35, _PANEL_HEIGHT)
        _draw_panel(axes, call, spelled=columns < 3)
        _caption(figure, left, top, call, name)
    seen = [call.units for call in calls if call.units is not None]
    firing.draw_legend(figure, 0.3, tops[-1] + 0.1, _looks_in(seen))
    return figure


def _caption(figure: Figure, left: float, top: float, call: CallFacts, name: list[str]) -> None:
    """The call's whole name, its kind and role, and how many of its units are dead."""
    units = call.units
    assert units is not None
    colour = style.ALARM if firing.is_alarming(call) else style.INK
    for line in name:
        top += _LINE
        style.write(
            figure, left, top, line, size=_NAME_SIZE, family=style.MONO, weight="bold", color=colour
        )
    facts = [firing.of_role(call), f"dead {firing.dead_text(call, units)}"]
    saturated = firing.saturated_share(units)
    if saturated is not None:
        facts.append(f"{style.percent(saturated)} of values saturated")
    weight = "bold" if firing.is_alarming(call) else "normal"
    style.write(figure, left, top + _LINE, " · ".join(facts), size=8, color=colour, weight=weight)


def _draw_panel(axes: Axes, call: CallFacts, *, spelled: bool) -> None:
    """Stacked bars of unit counts by firing rate; the lanes that matter carry their count."""
    assert call.units is not None
    table = firing.counts(call.units)
    totals = table.sum(axis=0)
    places = np.arange(firing.LANES)
    bottom = np.zeros(firing.LANES)
    for look, heights in zip(firing.LOOKS, table, strict=True):
        if heights.any():
            axes.bar(places, heights, bottom=bottom, width=0.86, **firing.patch(look))
            bottom += heights
    highest = max(int(totals.max()), 1)
    for lane in np.flatnonzero(totals).tolist():
        style.write(
            axes,
            lane,
            totals[lane] + highest * 0.03,
            f"{totals[lane]}",
            size=7,
            ha="center",
            va="bottom",
            color=style.FAINT,
        )
    axes.set_xlim(-0.6, firing.LANES - 0.4)
    axes.set_ylim(0, highest * 1.16)
    axes.spines["bottom"].set_visible(True)
    axes.spines["bottom"].set_color(style.FAINT)
    for edge in (0.5, 1.5, 11.5):
        axes.axvline(edge, color=style.RULE, linewidth=0.8, zorder=0)
    firing.label_lanes(axes, spelled=spelled)


def _looks_in(calls: Sequence[Units]) -> list[firing.Look]:
    used = {int(index) for units in calls for index in np.unique(firing.looks(units))}
    return [look for index, look in enumerate(firing.LOOKS) if index in used]
