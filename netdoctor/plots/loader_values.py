"""Distributions of what a loader gives: its labels, its values by channel or by column."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from netdoctor.facts.loader import LabelFacts, LoaderFacts
from netdoctor.facts.loader_fields import Channels, FieldFacts
from netdoctor.plots import style

_MOST_BARS = 60
_NAMED_BARS = 25
_LONG_TAIL = 20  # times the usual class: from there on the largest one hides the others
_LEFT, _TOP, _WIDTH, _HEIGHT = 0.75, 0.95, 6.6, 2.5
_BAR = "#4c86b8"
_CHANNELS = {1: ("#4c86b8",), 3: ("#c0392b", "#3b8c4a", "#3a6fb0")}
_OTHER = ("#4c86b8", "#c98f5a", "#6a9a5b", "#a98fd0")


def labels(found: LabelFacts, facts: LoaderFacts) -> Figure:
    """How often each class comes."""
    counts = dict(found.counts)
    if found.classes is not None and found.classes <= 10_000:
        counts = {label: counts.get(label, 0) for label in range(found.classes)} | counts
    items = sorted(counts.items())
    cut = len(items) > _MOST_BARS
    if cut:
        items = sorted(items, key=lambda each: -each[1])
    figure = style.new_figure(_LEFT + _WIDTH + 0.4, _TOP + _HEIGHT + 0.7)
    least, most = min(counts.values()), max(counts.values())
    style.title(
        figure,
        f"{'Positives' if found.kind == 'multi-label' else 'Labels'}: {found.total:,} in "
        f"{len(counts)} class{'es' * (len(counts) != 1)}",
        f"largest {most:,}, smallest {least:,}, in {facts.samples:,} samples"
        + (" · in order of size" if cut else ""),
    )  # fmt: skip
    axes = style.add_axes(figure, _LEFT, _TOP, _WIDTH, _HEIGHT)
    places = np.arange(len(items))
    wrong = [not _in_range(label, found) for label, _ in items]
    colours = [style.ALARM if bad else _BAR for bad in wrong]
    if len(items) > 200:
        axes.fill_between(places, [n for _, n in items], step="mid", color=_BAR, linewidth=0)
    else:
        axes.bar(places, [n for _, n in items], width=0.8, color=colours)
    axes.set_xlim(-0.6, max(len(items) - 0.4, 0.6))
    axes.set_ylim(0, most * 1.08 or 1)
    _y_axis(axes, most)
    if most > _LONG_TAIL * max(float(np.median(list(counts.values()))), 1):
        axes.set_yscale("log")
        powers = [10**place for place in range(int(math.log10(most)) + 1)]
        axes.set_yticks(powers)
        axes.set_yticklabels([f"{each:,}" for each in powers], fontsize=7, color=style.FAINT)
        axes.minorticks_off()
        axes.set_ylim(0.5, most * 1.5)
        style.write(figure, _LEFT, _TOP - 0.12, "logarithmic", size=8, color=style.FAINT)
    if cut:
        step = max(len(items) // 8, 1)
        ticks, texts = places[::step].tolist(), [f"{place + 1}." for place in places[::step]]
    else:
        step = -(-len(items) // _NAMED_BARS)
        ticks, texts = places[::step].tolist(), [str(label) for label, _ in items[::step]]
    style.x_labels(axes, ticks, texts)
    style.write(
        figure, _LEFT + _WIDTH / 2, _TOP + _HEIGHT + 0.42, "rank" if cut else "class", size=8,
        ha="center", color=style.FAINT,
    )  # fmt: skip
    return figure


def _in_range(label: int, found: LabelFacts) -> bool:
    return label >= 0 and (found.classes is None or label < found.classes)


def _y_axis(axes: Axes, most: float) -> None:
    ticks = MaxNLocator(3, integer=True).tick_values(0, most)
    ticks = [float(tick) for tick in ticks if 0 <= tick <= most * 1.08]
    axes.set_yticks(ticks)
    axes.set_yticklabels([f"{tick:,.0f}" for tick in ticks], fontsize=7, color=style.FAINT)
    axes.tick_params(axis="y", length=2.5, width=0.6, color=style.FAINT, pad=2)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
        axes.spines[side].set_color(style.FAINT)


def values(field: FieldFacts, facts: LoaderFacts) -> Figure:
    """How the values of a few channels are distributed."""
    channels = field.channels
    assert channels is not None
    assert channels.counts is not None
    assert channels.edges is not None
    figure = style.new_figure(_LEFT + _WIDTH + 1.9, _TOP + _HEIGHT + 0.7)
    count = len(channels.counts)
    by = f" by {'column' if field.kind == 'tabular' else 'channel'}" if count > 1 else ""
    style.title(
        figure, f"Values of {field.name}{by}",
        f"{field.values:,} values of {facts.samples:,} samples, from {style.brief(field.minimum)} "
        f"to {style.brief(field.maximum)}{_beside(channels)}",
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
    ticks = _round_ticks(low, high)
    style.x_labels(axes, ticks, style.tick_texts(ticks))
    style.write(
        figure, _LEFT + _WIDTH / 2, _TOP + _HEIGHT + 0.42, "value", size=8, ha="center",
        color=style.FAINT,
    )  # fmt: skip
    style.write(figure, _LEFT, _TOP - 0.12, "share of the values", size=8, color=style.FAINT)
    return figure


def _round_ticks(low: float, high: float) -> list[float]:
    """About five round numbers within a range."""
    ticks = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    slack = 1e-9 * (high - low)
    return [float(tick) for tick in ticks if low - slack <= tick <= high + slack]


def _beside(channels: Channels) -> str:
    """What the picture leaves out: tails far longer than the rest."""
    assert channels.edges is not None
    if channels.edges.min() <= np.nanmin(channels.minimum) and channels.edges.max() >= np.nanmax(
        channels.maximum
    ):
        return ""
    return " · the furthest 1 % at most are not drawn"


def ranges(field: FieldFacts, facts: LoaderFacts) -> Figure:
    """The range, mean and deviation of each column of a table."""
    channels = field.channels
    assert channels is not None
    count = len(channels.mean)
    figure = style.new_figure(_LEFT + _WIDTH + 0.4, _TOP + _HEIGHT + 0.7)
    style.title(
        figure, f"Values of {field.name} by column",
        f"{count} columns of {facts.samples:,} samples: mean and deviation, and the whole range",
    )  # fmt: skip
    axes = style.add_axes(figure, _LEFT, _TOP, _WIDTH, _HEIGHT)
    places = np.arange(count)
    thick = min(6.0, 300 / count)
    axes.vlines(places, channels.minimum, channels.maximum, color=_BAR, alpha=0.45, linewidth=1)
    low, high = channels.mean - channels.std, channels.mean + channels.std
    axes.vlines(places, low, high, color=_BAR, linewidth=thick)
    axes.plot(places, channels.mean, ls="", marker="_", markersize=thick, color=style.INK)
    axes.set_xlim(-0.8, count - 0.2)
    step = -(-count // _NAMED_BARS)
    style.x_labels(axes, places[::step].tolist(), [str(each) for each in places[::step]])
    bottom, top = axes.get_ylim()
    ticks = _round_ticks(bottom, top)
    axes.set_yticks(ticks)
    axes.set_yticklabels(style.tick_texts(ticks), fontsize=7, color=style.FAINT)
    axes.tick_params(axis="y", length=2.5, width=0.6, color=style.FAINT, pad=2)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
        axes.spines[side].set_color(style.FAINT)
    style.write(
        figure, _LEFT + _WIDTH / 2, _TOP + _HEIGHT + 0.42, "column", size=8, ha="center",
        color=style.FAINT,
    )  # fmt: skip
    return figure
