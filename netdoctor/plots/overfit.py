"""The loss over the steps on one batch, with its floor and what it has to fall below."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from netdoctor.facts.overfit import LEARNT, Attempt, OverfitFacts
from netdoctor.plots import style

_WIDTH, _HEIGHT = 6.6, 3.1
_LEFT, _TOP = 0.85, 1.05
_BEST = "#1f5a96"
_OTHERS = ("#6fa6d8", "#a98fd0", "#c98f5a")
_GOOD = "#2e7d32"


def figures(facts: OverfitFacts) -> list[tuple[str, Figure]]:
    """One picture with its file stem; none when nothing was trained."""
    if not any(len(each.losses) > 1 for each in facts.attempts):
        return []
    with style.quiet():
        return [("overfit", _figure(facts))]


def _figure(facts: OverfitFacts) -> Figure:
    figure = style.new_figure(_LEFT + _WIDTH + 2.55, _TOP + _HEIGHT + 0.75)
    verdict = facts.verdict()
    good = verdict in ("learnt", "label noise")
    samples = f"{facts.samples} sample{'s' * (facts.samples != 1)}"
    style.write(
        figure, 0.3, 0.28, f"Training on {samples}: {verdict}", size=12, weight="bold",
        color=style.INK if good else style.ALARM,
    )  # fmt: skip
    style.write(figure, 0.3, 0.55, _subtitle(facts), size=8.5, color=style.FAINT)
    axes = style.add_axes(figure, _LEFT, _TOP, _WIDTH, _HEIGHT)
    _scale(axes, facts)
    marks = [*_lines(axes, facts), *_levels(axes, facts)]
    _label(figure, axes, marks)
    style.write(
        figure, _LEFT + _WIDTH / 2, _TOP + _HEIGHT + 0.45, "step", size=8, ha="center",
        color=style.FAINT,
    )  # fmt: skip
    style.write(figure, _LEFT, _TOP - 0.14, f"loss ({facts.loss})", size=8, color=style.FAINT)
    return figure


def _subtitle(facts: OverfitFacts) -> str:
    outcome = facts.outcome
    assert outcome is not None
    parts = [
        f"{facts.optimizer}, {len(facts.attempts)} learning rate{'s' * (len(facts.attempts) > 1)}",
        f"loss {style.brief(facts.start)} to {style.brief(facts.best)} in {outcome.steps} steps",
    ]
    if facts.remaining is not None and np.isfinite(facts.remaining):
        parts.append(f"{style.percent(min(max(facts.remaining, 0.0), 1.0))} of the loss left")
    parts.append("floor unknown" if facts.floor is None else f"floor {style.brief(facts.floor)}")
    return " · ".join(parts)


def _finite(facts: OverfitFacts) -> NDArray[np.float64]:
    losses: NDArray[np.float64] = np.concatenate([each.losses for each in facts.attempts])
    return losses[np.isfinite(losses)]


def _scale(axes: Axes, facts: OverfitFacts) -> None:
    """Limits and ticks: a log axis where every loss is above 0, cut 1000 times above the start."""
    levels = [level for level, _, _ in _level_list(facts)]
    values = np.array([*_finite(facts), *levels])
    steps = max(each.steps for each in facts.attempts)
    axes.set_xlim(-0.01 * steps, max(steps, 1))
    axes.spines["left"].set_visible(True)
    axes.spines["bottom"].set_visible(True)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(style.FAINT)
    if len(values) and values.min() > 0:
        low, high = values.min() / 1.5, min(values.max(), 1000 * max(abs(facts.start), 1e-30)) * 1.5
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
        first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
        factors = (1, 2, 5) if last - first <= 2 else (1, 3) if last - first <= 4 else (1,)
        ticks = [f * 10.0**e for e in range(first, last + 1) for f in factors]
    else:
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        low, high = low - 0.05 * (high - low or 1), high + 0.05 * (high - low or 1)
        ticks = np.linspace(low, high, 5).tolist()
    axes.set_ylim(low, high)
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_yticks(ticks)
    axes.set_yticklabels(style.tick_texts(ticks), fontsize=7, color=style.FAINT)
    axes.tick_params(axis="y", length=2.5, width=0.6, color=style.FAINT, pad=2)
    places = _round_ticks(steps)
    style.x_labels(axes, places, [f"{place:,}" for place in places])


def _round_ticks(steps: int) -> list[int]:
    """0 and up to six more round numbers of steps."""
    unit = next(
        factor * 10**power
        for power in range(9)
        for factor in (1, 2, 5)
        if steps / (factor * 10**power) <= 6
    )
    return list(range(0, steps + 1, unit))


Mark = tuple[float, str, str, str]
"""Height in data coordinates, text, colour, weight."""


def _lines(axes: Axes, facts: OverfitFacts) -> list[Mark]:
    """Every attempt as a line; a cross where its loss was no longer finite."""
    marks: list[Mark] = []
    outcome = facts.outcome
    ordered = sorted(facts.attempts, key=lambda each: each is outcome)
    for number, attempt in enumerate(facts.attempts):
        best = attempt is outcome
        colour = _BEST if best else _OTHERS[number % len(_OTHERS)]
        shown = np.where(np.isfinite(attempt.losses), attempt.losses, nan)
        axes.plot(
            np.arange(len(shown)), shown,
            color=colour, linewidth=1.8 if best else 1.1, zorder=2 + ordered.index(attempt),
        )  # fmt: skip
        finite = np.flatnonzero(np.isfinite(attempt.losses))
        if not len(finite):
            continue
        last = float(np.clip(attempt.losses[finite[-1]], *axes.get_ylim()))
        if attempt.end == "non-finite":
            axes.plot([finite[-1]], [last], "x", color=style.ALARM, markersize=7, zorder=9)
        text = f"rate {style.brief(attempt.rate, 2)}: {_ended(attempt)}"
        marks.append((last, text, colour, "bold" if best else "normal"))
    return marks


def _ended(attempt: Attempt) -> str:
    words = {
        "reached": "near the floor", "stalled": "stalled", "steps": "step limit",
        "time": "time was up", "diverged": "diverged", "non-finite": "NaN or infinite",
    }  # fmt: skip
    return words[attempt.end]


def _level_list(facts: OverfitFacts) -> list[tuple[float, str, str]]:
    """The losses worth a line across: value, name, colour."""
    found: list[tuple[float, str, str]] = []
    floor = facts.floor or 0.0
    reference = facts.reference
    if facts.ignorant is not None and facts.ignorant > floor:
        found.append((facts.ignorant, "ignores its input", style.FAINT))
    if reference > floor:
        below = "learnt below" if facts.floor is not None else "learnt below, if floor is 0"
        found.append((floor + LEARNT * (reference - floor), below, _GOOD))
    if floor > 0:
        found.append((floor, f"floor {style.brief(floor)}", style.INK))
    return found


def _levels(axes: Axes, facts: OverfitFacts) -> list[Mark]:
    marks: list[Mark] = []
    for value, name, colour in _level_list(facts):
        axes.axhline(value, color=colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        marks.append((value, name, colour, "normal"))
    return marks


def _label(figure: Figure, axes: Axes, marks: Sequence[Mark]) -> None:
    """The names of lines beside their ends, moved apart where they would overlap."""
    lowest, gap = _TOP + _HEIGHT, 0.19
    inches = [
        _TOP + _HEIGHT * (1 - float(axes.transAxes.inverted().transform(
            axes.transData.transform((0.0, value)))[1]))
        for value, *_ in marks
    ]  # fmt: skip
    order = sorted(range(len(marks)), key=lambda index: inches[index])
    placed: list[float] = []
    for index in order:
        placed.append(max(inches[index], placed[-1] + gap if placed else _TOP))
    excess = max(placed[-1] - lowest, 0.0) if placed else 0.0
    for index, place in zip(order, placed, strict=True):
        _, text, colour, weight = marks[index]
        style.write(
            figure, _LEFT + _WIDTH + 0.1, place - excess, text, size=7.5, color=colour,
            weight=weight,
        )  # fmt: skip
