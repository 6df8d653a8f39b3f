"""The gradient of every parameter: mean and largest |g| on a log axis, and lanes for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from netdoctor.facts.gradflow import GradientFacts, ParameterGradient
from netdoctor.plots import gradient_bars as bars
from netdoctor.plots import style

UPRIGHT_AT_MOST = 39
ROWS_A_PAGE = 60

_NAME_SIZE, _HEAD_SIZE = 7.5, 8
_ROW, _HEAD = 0.165, 0.25
_STEP, _WIDEST = 0.34, 0.8
_GAP = 0.2
_LANE, _AXIS = 0.42, 5.6
_TOP, _LEFT = 1.25, 0.3


def figures(facts: GradientFacts) -> list[tuple[str, Figure]]:
    """The bars of all parameters in forward order with their file stems.

    Up to 39 parameters stand upright in one picture; more lie in rows grouped by block, 60 rows a
    page, all pages on the same scale.
    """
    if not facts.parameters:
        return []
    scale = bars.scale_of(facts.parameters)
    with style.quiet():
        if len(facts.parameters) <= UPRIGHT_AT_MOST:
            return [("gradflow", _upright(facts, scale))]
        sheets = style.pages(facts.parameters, ROWS_A_PAGE)
        return [
            (
                style.page_stem("gradflow", number, len(sheets)),
                _lying(facts, sheet, scale, style.page_note(number, len(sheets))),
            )
            for number, sheet in enumerate(sheets, 1)
        ]


def arrays(facts: GradientFacts) -> dict[str, NDArray[Any]]:
    """(P,) names, states, mean, max, norm and weight norm of the parameters; (L,) of the calls."""
    parameters, calls = facts.parameters, facts.calls
    return {
        "parameter": np.array([each.name for each in parameters], dtype=str),
        "state": np.array([each.state for each in parameters], dtype=str),
        "mean": np.array([each.mean for each in parameters], dtype=np.float64),
        "max": np.array([each.maximum for each in parameters], dtype=np.float64),
        "norm": np.array([each.norm for each in parameters], dtype=np.float64),
        "weight_norm": np.array([each.weight_norm for each in parameters], dtype=np.float64),
        "layer": np.array([str(each.site) for each in calls], dtype=str),
        "layer_norm": np.array([each.norm for each in calls], dtype=np.float64),
        "loss": np.array(facts.losses, dtype=np.float64),
    }


def _head(figure: Figure, facts: GradientFacts, lanes: Sequence[bars.Lane], page: str) -> None:
    count = len(facts.parameters)
    title = (
        f"Gradients of {count} parameter{'s' * (count != 1)} · loss {facts.loss} · "
        f"{len(facts.losses)} batch{'es' * (len(facts.losses) != 1)}, {facts.samples} samples{page}"
    )
    style.write(figure, _LEFT, 0.28, title, size=12, weight="bold")
    style.write(
        figure, _LEFT, 0.55, "|g| in forward order, from the input's side to the loss's; log axis",
        size=8.5, color=style.FAINT,
    )  # fmt: skip
    bars.draw_legend(figure, _LEFT, 0.78, lanes)


def _upright(facts: GradientFacts, scale: bars.Scale) -> Figure:
    parameters = facts.parameters
    lanes = bars.lanes_of(parameters)
    names = [style.printable(each.name) for each in parameters]
    below = style.name_width(max(map(len, names)), _NAME_SIZE) + 0.2
    step = min(_WIDEST, max(_STEP, 7.4 / len(parameters)))
    width, height = step * len(parameters), 2.9
    strip = 0.26 * len(lanes)
    figure = style.new_figure(max(width + 1.2, 8.6), _TOP + height + strip + below + 0.15)
    _head(figure, facts, lanes, "")
    axes = style.add_axes(figure, 0.9, _TOP, width, height)
    axes.set_xlim(-0.5, len(parameters) - 0.5)
    axes.set_ylim(*scale.limits)
    bars.rule_axes(axes, scale, along="y")
    bars.draw_bars(axes, parameters, scale, upright=True)
    if lanes:
        marks = style.add_axes(figure, 0.9, _TOP + height + 0.06, width, strip - 0.06)
        marks.set_xlim(-0.5, len(parameters) - 0.5)
        marks.set_ylim(len(lanes), 0)
        bars.draw_marks(marks, parameters, lanes, upright=True)
        for number, lane in enumerate(lanes):
            top = _TOP + height + 0.06 + (number + 0.5) * (strip - 0.06) / len(lanes)
            style.write(figure, 0.84, top, lane.word, size=7, ha="right", color=style.FAINT)
    for place, (each, name) in enumerate(zip(parameters, names, strict=True)):
        left = 0.9 + (place + 0.5) * step
        style.write(
            figure, left, _TOP + height + strip + 0.08, name, size=_NAME_SIZE, family=style.MONO,
            rotation=90, ha="center", va="top", color=bars.ink(each),
        )  # fmt: skip
    return figure


def _lying(
    facts: GradientFacts, sheet: Sequence[ParameterGradient], scale: bars.Scale, page: str
) -> Figure:
    lanes = bars.lanes_of(facts.parameters)
    places, heads, height = _rows(sheet)
    labels = [_label(each) for each in sheet]
    named = style.name_width(max(map(len, labels)), _NAME_SIZE) + 0.35
    headed = max((style.name_width(len(text), _HEAD_SIZE) for _, text in heads), default=0.0)
    strip = _LANE * len(lanes)
    gap = _GAP if lanes else 0.0
    left = _LEFT + max(named, min(headed, named + strip))
    figure = style.new_figure(max(left + strip + gap + _AXIS + 0.4, 9.2), _TOP + height + 0.4)
    _head(figure, facts, lanes, page)
    axes = style.add_axes(figure, left + strip + gap, _TOP, _AXIS, height)
    axes.set_xlim(*scale.limits)
    axes.set_ylim(height, 0)
    bars.rule_axes(axes, scale, along="x")
    bars.draw_bars(axes, sheet, scale, upright=False, places=places, thickness=0.8 * _ROW)
    if lanes:
        marks = style.add_axes(figure, left, _TOP, strip, height)
        marks.set_xlim(0, len(lanes))
        marks.set_ylim(height, 0)
        bars.draw_marks(marks, sheet, lanes, upright=False, places=places, thickness=0.8 * _ROW)
        for number, lane in enumerate(lanes):
            middle = left + (number + 0.5) * _LANE
            style.write(
                figure, middle, _TOP + height + 0.12, lane.short, size=7, ha="center",
                color=style.FAINT,
            )  # fmt: skip
    for top, text in heads:
        style.write(
            figure, _LEFT, _TOP + top, text, size=_HEAD_SIZE, family=style.MONO, weight="bold"
        )
    for each, label, place in zip(sheet, labels, places, strict=True):
        style.write(
            figure, left - 0.1, _TOP + place, label, size=_NAME_SIZE, family=style.MONO,
            ha="right", color=bars.ink(each),
        )  # fmt: skip
    return figure


def _rows(sheet: Sequence[ParameterGradient]) -> tuple[list[float], list[tuple[float, str]], float]:
    """Where each row and each block's heading lies in inches, and the height of all."""
    places, heads, top, block = [], [], 0.05, None
    for each in sheet:
        if block != _block(each):
            block = _block(each)
            heads.append((top + _HEAD / 2 + 0.03, block))
            top += _HEAD
        places.append(top + _ROW / 2)
        top += _ROW
    return places, heads, top + 0.05


def _block(each: ParameterGradient) -> str:
    """The module around the one that holds the parameter."""
    return style.printable(each.module.rpartition(".")[0] or "(model)")


def _label(each: ParameterGradient) -> str:
    around = each.module.rpartition(".")[0]
    return style.printable(each.name.removeprefix(f"{around}." if around else ""))
