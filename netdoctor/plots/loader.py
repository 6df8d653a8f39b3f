"""What a loader gives: a contact sheet, its labels, its values, and the samples that come twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from netdoctor.facts.loader import CopyFacts, FieldFacts, LabelFacts, LoaderFacts, Pair, Shown
from netdoctor.plots import style

_COLUMNS = 8
_CELL, _CAPTION, _GAP = 1.05, 0.36, 0.1
_MOST_BARS = 60
_NAMED_BARS = 25
_LEFT, _TOP, _WIDTH, _HEIGHT = 0.75, 0.95, 6.6, 2.5
_BAR = "#4c86b8"
_CHANNELS = {1: ("#4c86b8",), 3: ("#c0392b", "#3b8c4a", "#3a6fb0")}
_OTHER = ("#4c86b8", "#c98f5a", "#6a9a5b", "#a98fd0")
_BROKEN = (1.0, 0.0, 0.565)  # NaN and infinities, as in feature maps


def figures(facts: LoaderFacts) -> list[tuple[str, Figure]]:
    """The pictures that there is something to see in, with their file stems."""
    found = []
    with style.quiet():
        if facts.shown:
            found.append(("contact-sheet", _sheet(facts)))
        if facts.labels is not None and len(facts.labels.counts) > 0:
            found.append(("labels", _labels(facts.labels, facts)))
        drawn = next((each for each in facts.inputs if _has_histogram(each)), None)
        if drawn is not None:
            found.append(("values", _values(drawn, facts)))
        for stem, copies in (("duplicates", facts.copies), ("leakage", facts.overlap)):
            if copies is not None and any(each.pictures for each in copies.pairs):
                found.append((stem, _pairs(stem, copies)))
    return found


def arrays(facts: LoaderFacts) -> dict[str, Mapping[str, Any]]:
    """The numbers behind the pictures, by their file stems."""
    found: dict[str, Mapping[str, Any]] = {}
    if facts.shown:
        found["contact-sheet"] = {f"{n}.{e.name}": e.picture for n, e in enumerate(facts.shown)}
    if facts.labels is not None and facts.labels.counts:
        counts = facts.labels.counts
        found["labels"] = {"class": np.array(list(counts)), "count": np.array([*counts.values()])}
    drawn = next((each for each in facts.inputs if _has_histogram(each)), None)
    if drawn is not None and drawn.channels is not None:
        channels = drawn.channels
        found["values"] = {
            "counts": channels.counts, "edges": channels.edges, "mean": channels.mean,
            "std": channels.std,
        }  # fmt: skip
    return found


def _has_histogram(field: FieldFacts) -> bool:
    return field.channels is not None and field.channels.counts is not None


def _title(figure: Figure, title: str, below: str) -> None:
    style.write(figure, 0.3, 0.28, title, size=12, weight="bold")
    style.write(figure, 0.3, 0.55, below, size=8.5, color=style.FAINT)


def _sheet(facts: LoaderFacts) -> Figure:
    shown = facts.shown[: 5 * _COLUMNS]
    rows = -(-len(shown) // _COLUMNS)
    width = 0.6 + _COLUMNS * (_CELL + _GAP)
    figure = style.new_figure(width, 0.85 + rows * (_CELL + _CAPTION + _GAP))
    low, high = _range(shown)
    odd = sum(bool(each.why) for each in shown)
    first = f"the {odd} odd ones first · " if odd else ""
    _title(
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


def _labels(labels: LabelFacts, facts: LoaderFacts) -> Figure:
    counts = dict(labels.counts)
    if labels.classes is not None and labels.classes <= 10_000:
        counts = {label: counts.get(label, 0) for label in range(labels.classes)} | counts
    items = sorted(counts.items())
    cut = len(items) > _MOST_BARS
    if cut:
        items = sorted(items, key=lambda each: -each[1])
    figure = style.new_figure(_LEFT + _WIDTH + 0.4, _TOP + _HEIGHT + 0.7)
    least, most = min(counts.values()), max(counts.values())
    _title(
        figure, f"Labels: {labels.total:,} in {len(counts)} class{'es' * (len(counts) != 1)}",
        f"largest {most:,}, smallest {least:,}, in {facts.samples:,} samples"
        + (" · in order of size" if cut else ""),
    )  # fmt: skip
    axes = style.add_axes(figure, _LEFT, _TOP, _WIDTH, _HEIGHT)
    places = np.arange(len(items))
    wrong = [not _in_range(label, labels) for label, _ in items]
    colours = [style.ALARM if bad else _BAR for bad in wrong]
    if len(items) > 200:
        axes.fill_between(places, [n for _, n in items], step="mid", color=_BAR, linewidth=0)
    else:
        axes.bar(places, [n for _, n in items], width=0.8, color=colours)
    axes.set_xlim(-0.6, max(len(items) - 0.4, 0.6))
    axes.set_ylim(0, most * 1.08 or 1)
    if cut:
        step = max(len(items) // 8, 1)
        ticks, texts = places[::step].tolist(), [f"{place + 1}." for place in places[::step]]
    else:
        step = -(-len(items) // _NAMED_BARS)
        ticks, texts = places[::step].tolist(), [str(label) for label, _ in items[::step]]
    style.x_labels(axes, ticks, texts)
    _y_axis(axes, most)
    style.write(
        figure, _LEFT + _WIDTH / 2, _TOP + _HEIGHT + 0.42, "rank" if cut else "class", size=8,
        ha="center", color=style.FAINT,
    )  # fmt: skip
    return figure


def _in_range(label: int, labels: LabelFacts) -> bool:
    return label >= 0 and (labels.classes is None or label < labels.classes)


def _y_axis(axes: Axes, most: float) -> None:
    ticks = [0.0, most / 2, float(most)] if most > 1 else [0.0, float(most)]
    axes.set_yticks(ticks)
    axes.set_yticklabels([f"{tick:,.0f}" for tick in ticks], fontsize=7, color=style.FAINT)
    axes.tick_params(axis="y", length=2.5, width=0.6, color=style.FAINT, pad=2)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
        axes.spines[side].set_color(style.FAINT)


def _values(field: FieldFacts, facts: LoaderFacts) -> Figure:
    channels = field.channels
    assert channels is not None
    assert channels.counts is not None
    assert channels.edges is not None
    figure = style.new_figure(_LEFT + _WIDTH + 1.9, _TOP + _HEIGHT + 0.7)
    count = len(channels.counts)
    by = f" by {'column' if field.kind == 'tabular' else 'channel'}" if count > 1 else ""
    _title(
        figure, f"Values of {field.name}{by}",
        f"{field.values:,} values of {facts.samples:,} samples, from {style.brief(field.minimum)} "
        f"to {style.brief(field.maximum)}",
    )  # fmt: skip
    axes = style.add_axes(figure, _LEFT, _TOP, _WIDTH, _HEIGHT)
    colours = _CHANNELS.get(count, _OTHER)
    tallest = 0.0
    for channel, (counts, edges) in enumerate(zip(channels.counts, channels.edges, strict=True)):
        density = counts / np.maximum(np.diff(edges), 1e-30) / max(counts.sum(), 1)
        tallest = max(tallest, float(density.max(initial=0)))
        axes.stairs(density, edges, color=colours[channel], linewidth=1.4)
        style.write(
            figure, _LEFT + _WIDTH + 0.15, _TOP + 0.1 + 0.2 * channel,
            f"{channel}: {style.brief(channels.mean[channel])} ± "
            f"{style.brief(channels.std[channel])}" if count > 1 else
            f"{style.brief(channels.mean[channel])} ± {style.brief(channels.std[channel])}",
            size=8, color=colours[channel],
        )  # fmt: skip
    low, high = float(channels.edges.min()), float(channels.edges.max())
    axes.set_xlim(low, high)
    axes.set_ylim(0, tallest * 1.06 or 1)
    axes.spines["bottom"].set_visible(True)
    axes.spines["bottom"].set_color(style.FAINT)
    ticks = np.linspace(low, high, 5).tolist()
    style.x_labels(axes, ticks, style.tick_texts(ticks))
    style.write(
        figure, _LEFT + _WIDTH / 2, _TOP + _HEIGHT + 0.42, "value", size=8, ha="center",
        color=style.FAINT,
    )  # fmt: skip
    style.write(figure, _LEFT, _TOP - 0.12, "share of the values", size=8, color=style.FAINT)
    return figure


def _pairs(stem: str, copies: CopyFacts) -> Figure:
    pairs = [each for each in copies.pairs if each.pictures]
    across = min(len(pairs), 4)
    rows = -(-len(pairs) // 4)
    cell = 2 * _CELL + 0.35
    figure = style.new_figure(max(0.6 + across * cell, 5.4), 0.9 + rows * (_CELL + 0.5))
    title = "Copies within the data" if stem == "duplicates" else "In both splits"
    _title(figure, title, f"{copies.exact} exact and {copies.near} near, the first of them")
    low, high = _span([picture for each in pairs for picture in each.pictures or ()])
    for place, each in enumerate(pairs):
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
