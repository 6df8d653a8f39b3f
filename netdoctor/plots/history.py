"""The findings of each run over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from matplotlib import dates
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from netdoctor.facts.history import Run
from netdoctor.plots.style import ALARM, FAINT, RULE, SANS, add_axes, new_figure, quiet, write
from netdoctor.report import Severity

_COLOURS = {Severity.ERROR: ALARM, Severity.WARNING: "#d98c00", Severity.INFO: "#5b8db8"}
_WIDTH, _PANEL, _TOP, _BOTTOM, _LEFT, _RIGHT, _BETWEEN = 9.0, 1.5, 0.75, 0.45, 0.6, 0.3, 0.75
_MOST = 8
_DATES: Any = dates  # its functions have no types


def figure(runs: Sequence[Run]) -> Figure:
    """A panel a command and subject: errors, warnings and infos of each run as stacked steps."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.command, run.subject), []).append(run)
    shown = list(groups.items())[:_MOST]
    height = _TOP + len(shown) * _PANEL + (len(shown) - 1) * _BETWEEN + _BOTTOM
    with quiet():
        picture = new_figure(_WIDTH, height)
        write(picture, 0.2, 0.25, "Findings from run to run", size=11, weight="bold")
        if len(groups) > _MOST:
            write(picture, 5.0, 0.25, f"{_MOST} of {len(groups)} subjects shown", color=FAINT)
        for number, ((command, subject), own) in enumerate(shown):
            top = _TOP + number * (_PANEL + _BETWEEN)
            write(picture, _LEFT, top - 0.15, f"{command} {subject}".strip(), size=8.5)
            _panel(picture, top, own)
    return picture


def _panel(picture: Figure, top: float, runs: Sequence[Run]) -> None:
    axes = add_axes(picture, _LEFT, top, _WIDTH - _LEFT - _RIGHT, _PANEL)
    times = [
        _DATES.date2num(datetime.fromisoformat(run.time.replace("Z", "+00:00"))) for run in runs
    ]
    below = [0] * len(runs)
    width = max(1e-9, 0.6 * min((b - a for a, b in pairwise(times)), default=1))
    spread = (max(times) - min(times)) or 1.0
    for severity in reversed(Severity):
        counts = [run.count(severity) for run in runs]
        bar = min(max(width, spread / 150), spread / 20)
        axes.bar(times, counts, bar, below, color=_COLOURS[severity], label=severity.value)
        below = [one + other for one, other in zip(below, counts, strict=True)]
    axes.plot(times, [0] * len(times), "|", color=FAINT, markersize=6)
    axes.set_xlim(min(times) - 0.03 * spread, max(times) + 0.03 * spread)
    axes.set_ylim(0, max(1.0, 1.1 * max(below)))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, steps=[1, 2, 5, 10]))
    locator = _DATES.AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(_DATES.ConciseDateFormatter(locator))
    axes.tick_params(labelsize=7, labelcolor=FAINT, color=RULE, labelfontfamily=SANS)
    axes.xaxis.get_offset_text().set_fontsize(7)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper right", fontsize=7, frameon=False, ncols=3,
                bbox_to_anchor=(1.0, 1.2), borderaxespad=0)  # fmt: skip
