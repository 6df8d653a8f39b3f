"""Samples of a loader: a contact sheet, and those that come twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from netdoctor.facts.loader import CopyFacts, LoaderFacts, Pair, Shown
from netdoctor.plots import style

_COLUMNS = 8
_CELL, _CAPTION, _GAP = 1.05, 0.36, 0.1
_BROKEN = (1.0, 0.0, 0.565)  # NaN and infinities, as in feature maps


def sheet(facts: LoaderFacts) -> Figure:
    """The odd samples and some ordinary ones."""
    shown = facts.shown[: 5 * _COLUMNS]
    rows = -(-len(shown) // _COLUMNS)
    width = 0.6 + _COLUMNS * (_CELL + _GAP)
    figure = style.new_figure(width, 0.85 + rows * (_CELL + _CAPTION + _GAP))
    low, high = _range(shown)
    odd = sum(bool(each.why) for each in shown)
    first = f"{odd} odd one{'s' * (odd != 1)} first · " if odd else ""
    style.title(
        figure, "Samples as the network gets them",
        f"{first}black is {style.brief(low)}, white {style.brief(high)} · magenta: NaN or Inf",
    )  # fmt: skip
    for place, each in enumerate(shown):
        row, column = divmod(place, _COLUMNS)
        left = 0.3 + column * (_CELL + _GAP)
        top = 0.8 + row * (_CELL + _CAPTION + _GAP)
        axes = style.add_axes(figure, left, top, _CELL, _CELL)
        _picture(axes, each.picture, low, high)
        label = f" · {each.label}" if each.label else ""
        style.write(figure, left, top + _CELL + 0.1, _short(each.name, label), size=6.5)
        style.write(figure, left, top + _CELL + 0.23, each.why, size=6.5, color=style.ALARM)
    return figure


def _short(name: str, more: str = "", most: int = 17) -> str:
    """The end of a name, with what follows it in full."""
    base = name.rpartition("/")[2]
    room = max(most - len(more), 6)
    return (base if len(base) <= room else f"…{base[1 - room :]}") + more


def _range(shown: Sequence[Shown]) -> tuple[float, float]:
    """What is black and what is white: the range of the ordinary samples, else of all."""
    ordinary = [each.picture for each in shown if not each.why] or [e.picture for e in shown]
    return _span(ordinary)


def _span(pictures: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    values = np.concatenate([each.ravel() for each in pictures])
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _picture(axes: Axes, picture: NDArray[np.float32], low: float, high: float) -> None:
    scaled = np.clip((picture.astype(np.float64) - low) / (high - low), 0, 1)
    broken = ~np.isfinite(picture)
    if picture.ndim == 2:
        scaled, broken = np.repeat(scaled[..., None], 3, 2), broken[..., None]
    scaled = np.where(broken.any(-1, keepdims=True), np.array(_BROKEN), scaled)
    axes.imshow(scaled, interpolation="nearest", aspect="equal")
    axes.set_xticks([])
    axes.set_yticks([])


def pairs(stem: str, copies: CopyFacts) -> Figure:
    """Samples that are the same as another one, beside it."""
    shown = [each for each in copies.pairs if each.pictures]
    across = min(len(shown), 4)
    rows = -(-len(shown) // 4)
    cell = 2 * _CELL + 0.35
    figure = style.new_figure(max(0.6 + across * cell, 5.4), 0.9 + rows * (_CELL + 0.5))
    title = "Copies within the data" if stem == "duplicates" else "In both splits"
    style.title(figure, title, f"{copies.exact} exact and {copies.near} near, the first of them")
    low, high = _span([picture for each in shown for picture in each.pictures or ()])
    for place, each in enumerate(shown):
        row, column = divmod(place, 4)
        left, top = 0.3 + column * cell, 0.8 + row * (_CELL + 0.5)
        for number, picture in enumerate(each.pictures or ()):
            axes = style.add_axes(figure, left + number * (_CELL + 0.04), top, _CELL, _CELL)
            _picture(axes, picture, low, high)
        _pair_caption(figure, left, top + _CELL + 0.11, each)
    return figure


def _pair_caption(figure: Figure, left: float, top: float, pair: Pair) -> None:
    for number, (name, label) in enumerate(
        zip((pair.first, pair.second), pair.labels, strict=True)
    ):
        text = _short(name, f" · {label}" if label is not None else "")
        style.write(figure, left + number * (_CELL + 0.04), top, text, size=6.5)
    alike = "exact" if pair.similarity == 1 else f"near ({pair.similarity:.3f})"
    odds = ", with another target" if pair.same_label is False else ""
    colour = style.ALARM if odds else style.FAINT
    style.write(figure, left, top + 0.14, f"{alike}{odds}", size=6.5, color=colour)
