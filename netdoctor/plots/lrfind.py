"""The loss over the learning rate: every repeat, their smoothed mean, and the suggestion."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from netdoctor.facts.lrfind import LrFindFacts
from netdoctor.plots import style

_WIDTH, _HEIGHT = 9.6, 5.6
_LEFT, _TOP, _BOTTOM, _RIGHT = 0.75, 0.95, 0.85, 0.3
REPEAT_COLOUR, MEAN_COLOUR, SUGGESTION_COLOUR = "#9db8d2", "#1d5c94", "#1b7f4d"


def losses(facts: LrFindFacts) -> NDArray[np.float64]:
    """(R, P) the loss of every repeat at every rate; NaN from where it ended."""
    whole = np.full((len(facts.sweeps), len(facts.rates)), np.nan)
    for row, sweep in zip(whole, facts.sweeps, strict=True):
        row[: len(sweep.losses)] = sweep.losses
    return whole


def figure(facts: LrFindFacts) -> Figure:
    """One pair of axes: the loss over the rate on a log scale."""
    with style.quiet():
        sheet = style.new_figure(_WIDTH, _HEIGHT)
        count = len(facts.sweeps)
        title = (
            f"Learning rate range test · {facts.optimizer} · "
            f"{count} repeat{'s' * (count != 1)} of {len(facts.rates)} steps"
        )
        style.write(sheet, _LEFT - 0.4, 0.3, title, size=12, weight="bold")
        _say_conclusion(sheet, facts)
        axes = style.add_axes(sheet, _LEFT, _TOP, _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM)
        _scale(axes, facts)
        _draw_suggestion(axes, facts)
        _draw_losses(axes, facts)
        _draw_stops(axes, facts)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(
                loc="upper left", bbox_to_anchor=(0, -0.09), ncol=5, frameon=False,
                fontsize=7.5, handlelength=1.6, columnspacing=1.4, borderaxespad=0,
            )  # fmt: skip
        return sheet


def _say_conclusion(sheet: Figure, facts: LrFindFacts) -> None:
    reading = facts.reading
    if reading.suggestion is not None and reading.band is not None:
        low, high = (style.brief(each, 2) for each in reading.band)
        text = f"start from lr = {style.brief(reading.suggestion, 2)} (repeats: {low} to {high})"
        style.write(sheet, _LEFT - 0.4, 0.6, text, size=9.5, color=SUGGESTION_COLOUR, weight="bold")
        return
    lines = _folded(f"no suggestion: {reading.reason}", 120)
    for number, line in enumerate(lines):
        style.write(sheet, _LEFT - 0.4, 0.58 + 0.17 * number, line, size=9, color=style.ALARM)


def _folded(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _scale(axes: Axes, facts: LrFindFacts) -> None:
    axes.set_xscale("log")
    axes.set_xlim(facts.rates[0], facts.rates[-1])
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = _range(facts)
    axes.set_ylim(low, high)
    ticks = [float(v) for v in MaxNLocator(7).tick_values(low, high) if low <= v <= high]
    axes.set_yticks(ticks)
    axes.set_yticklabels(style.tick_texts(ticks), parse_math=False)
    axes.tick_params(axis="both", labelsize=7.5, labelcolor=style.FAINT, color=style.FAINT)
    axes.grid(axis="y", color=style.RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
        axes.spines[side].set_color(style.FAINT)
    axes.set_ylabel(f"loss ({facts.loss})", fontsize=8, color=style.INK, parse_math=False)
    axes.set_xlabel("learning rate", fontsize=8, color=style.INK, loc="right", labelpad=1)


def _range(facts: LrFindFacts) -> tuple[float, float]:
    """What of the loss is worth seeing: from the lowest to a little above where it started."""
    whole = losses(facts)
    seen = whole[np.isfinite(whole)]
    if not len(seen):
        return 0.0, 1.0
    early = whole[:, : max(1, whole.shape[1] // 2)]
    early = early[np.isfinite(early)]
    low = float(seen.min())
    top = max(float(early.max()) if len(early) else low, float(np.nanmax(facts.reading.mean)))
    room = max(top - low, 1e-9 + 0.05 * abs(top))
    return low - 0.08 * room, top + 0.15 * room


def _draw_losses(axes: Axes, facts: LrFindFacts) -> None:
    for number, row in enumerate(losses(facts)):
        axes.plot(
            facts.rates, row, color=REPEAT_COLOUR, linewidth=0.8, marker=".", markersize=2.5,
            label="a repeat" if number == 0 else None,
        )  # fmt: skip
    reading = facts.reading
    if np.isfinite(reading.mean).all():
        until = max((len(sweep.losses) for sweep in facts.sweeps), default=0)
        axes.plot(
            facts.rates[:until], reading.mean[:until], color=MEAN_COLOUR, linewidth=2,
            label="smoothed mean",
        )  # fmt: skip


def _draw_suggestion(axes: Axes, facts: LrFindFacts) -> None:
    reading = facts.reading
    if reading.suggestion is None or reading.band is None:
        return
    axes.axvspan(*reading.band, color=SUGGESTION_COLOUR, alpha=0.14, linewidth=0, label="band")
    axes.axvline(reading.suggestion, color=SUGGESTION_COLOUR, linewidth=1.6, label="suggestion")


def _draw_stops(axes: Axes, facts: LrFindFacts) -> None:
    """A mark at the rate at which a repeat blew up."""
    told: set[str] = set()
    for sweep in facts.sweeps:
        if sweep.stop == "reached the end":
            continue
        axes.axvline(
            sweep.stopped_at, color=style.ALARM, linewidth=1,
            linestyle=":" if sweep.stop == "diverged" else "--",
            label=None if sweep.stop in told else f"{sweep.stop} here",
        )  # fmt: skip
        told.add(sweep.stop)
