"""The size of every call's values in call order, on a log axis: where a signal grows or ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netdoctor.facts.forward import LARGEST, ForwardCall, ForwardFacts
from netdoctor.plots import style

ROWS_A_PAGE = 60
_ROW, _NAME_SIZE, _AXIS, _TOP = 0.19, 7.5, 6.2, 1.15
_NOTE_WIDTH = 1.5
_BAR, _DOT = "#b9cde2", "#1f5f99"
_LONGEST = 60


def figures(facts: ForwardFacts) -> list[tuple[str, Figure]]:
    """A row a call, 60 rows a page: a dot at the deviation, a bar up to the largest magnitude."""
    calls = [call for call in facts.calls if call.listed]
    if not calls:
        return []
    low, high = _decades(facts)
    sheets = style.pages(calls, ROWS_A_PAGE)
    with style.quiet():
        return [
            (
                style.page_stem("check-forward", number, len(sheets)),
                _sheet(facts, sheet, (low, high), style.page_note(number, len(sheets))),
            )
            for number, sheet in enumerate(sheets, 1)
        ]


def arrays(facts: ForwardFacts) -> Mapping[str, Mapping[str, Any]]:
    """The numbers behind the picture: of each call its (6,) mean, std, min, max, NaN and Inf."""
    values = {}
    for call in facts.calls:
        if not call.listed:
            continue
        of = call.moments
        values[str(call.site)] = np.array(
            [of.mean, of.std, of.minimum, of.maximum, of.nan, of.inf], np.float64
        )
    return {"check-forward": values}


def _decades(facts: ForwardFacts) -> tuple[int, int]:
    """The powers of ten between which the sizes lie; float16's limit is shown where it matters."""
    sizes = [
        size
        for call in facts.calls
        if call.listed
        for size in (call.moments.std, call.magnitude)
        if math.isfinite(size) and size > 0
    ]
    limit = [LARGEST["float16"]] if _limit(facts) else []
    logs = [math.log10(size) for size in (*sizes, *limit)] or [0.0]
    return max(math.floor(min(logs)), -46), math.ceil(max(logs) + 1e-9)


def _limit(facts: ForwardFacts) -> bool:
    return facts.judged_as == "float16" or any(call.dtype == "float16" for call in facts.calls)


def _sheet(
    facts: ForwardFacts, calls: Sequence[ForwardCall], decades: tuple[int, int], note: str
) -> Figure:
    names = [_shortened(str(call.site)) for call in calls]
    width = style.name_width(max(map(len, names)), _NAME_SIZE) + 0.35
    height = _ROW * len(calls)
    figure = style.new_figure(0.3 + width + _AXIS + _NOTE_WIDTH + 0.3, _TOP + height + 0.55)
    style.write(figure, 0.3, 0.28, "Size of each call's values", size=12, weight="bold")
    counts = f"{facts.samples} samples in {facts.batches} batch{'es' * (facts.batches != 1)}"
    bar = "dot: standard deviation, bar: up to the largest magnitude"
    style.write(figure, 0.3, 0.55, f"{counts}{note} · {bar}", size=8.5, color=style.FAINT)
    axes = style.add_axes(figure, 0.3 + width, _TOP, _AXIS, height)
    _scale(axes, decades, len(calls), limit=_limit(facts))
    for place, (call, name) in enumerate(zip(calls, names, strict=True)):
        _draw(axes, place, call, decades)
        y = _TOP + (place + 0.5) * _ROW
        sick = call.status.startswith("first")
        look = {"color": style.ALARM, "weight": "bold"} if sick else {}
        style.write(figure, 0.3, y, name, size=_NAME_SIZE, family=style.MONO, **look)
        text = _told(call)
        if text:
            colour = style.FAINT if call.status == "-Inf mask" else style.ALARM
            place_x = 0.3 + width + _AXIS + 0.12
            style.write(figure, place_x, y, text, size=7.5, color=colour)
    return figure


def _shortened(name: str) -> str:
    name = style.printable(name).replace("\n", "\\n")
    return name if len(name) <= _LONGEST else f"{name[:28]}…{name[-31:]}"


def _told(call: ForwardCall) -> str:
    if call.status == "ok":
        return "all zero" if call.magnitude == 0 and call.moments.finite else ""
    return call.status


def _scale(axes: Axes, decades: tuple[int, int], rows: int, *, limit: bool) -> None:
    low, high = decades
    axes.set_xlim(low, high)
    axes.set_ylim(rows, 0)
    step = max(1, math.ceil((high - low) / 10))
    ticks = list(range(low, high + 1, step))
    far = [f"1e{tick}".replace("-", "−") for tick in ticks]
    labels = [f"{10.0**at:g}" if abs(at) < 3 else text for at, text in zip(ticks, far, strict=True)]
    style.x_labels(axes, ticks, labels)
    for tick in ticks:
        axes.axvline(tick, color=style.RULE, linewidth=0.6, zorder=0)
    if limit:
        place = math.log10(LARGEST["float16"])
        axes.axvline(place, color=style.ALARM, linewidth=1, linestyle="--", zorder=1)
        style.write(
            axes, place, -0.45, "float16 ends", size=7, ha="right", va="bottom", color=style.ALARM
        )


def _draw(axes: Axes, place: int, call: ForwardCall, decades: tuple[int, int]) -> None:
    std, largest = call.moments.std, call.magnitude
    if not largest > 0:
        return
    end = math.log10(largest)
    start = math.log10(std) if std > 0 else end
    start, end = max(start, decades[0]), max(end, decades[0])
    axes.plot([start, end], [place + 0.5] * 2, color=_BAR, linewidth=5, solid_capstyle="butt")
    if std > 0:
        axes.plot([start], [place + 0.5], "o", color=_DOT, markersize=3.2)
