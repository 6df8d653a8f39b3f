"""Losses, metrics and learning rate of a training run, with the diagnosis drawn in."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from netdoctor.facts.curve_facts import Track
from netdoctor.facts.curves import Curve, CurveRole
from netdoctor.facts.diagnosed_curves import DiagnosedRun
from netdoctor.plots import style
from netdoctor.report import Severity

Floats = NDArray[np.float64]

_WIDTH = 9.6
_LEFT, _RIGHT, _GAP = 0.8, 0.35, 0.38
_HEIGHTS = {"loss": 3.3, "metric": 2.2, "learning rate": 1.0}
_TRAIN, _HELD_OUT, _RATE, _BEST = "#1d5c94", "#d9730d", "#6b4a9e", "#1b7f4d"
_WORRY = "#b7791f"
_MOST_POINTS = 3000
_FEW_POINTS = 40
_LOG_RATIO = 30.0
_MOST_STEPS = 10
_LONGEST = 30


def thinned(x: Floats, y: Floats, most: int = _MOST_POINTS) -> tuple[Floats, Floats]:
    """At most `most` points of which every stretch keeps its lowest and its highest.

    Args:
        x: (n,) ascending.
        y: (n,) finite.
        most: number of points to keep.
    """
    if len(y) <= most:
        return x, y
    edges = np.linspace(0, len(y), most // 2 + 1).astype(int)[:-1]
    stretch = np.repeat(np.arange(len(edges)), np.diff(np.append(edges, len(y))))
    order = np.lexsort((y, stretch))
    lowest = order[edges]
    highest = order[np.append(edges[1:], len(y)) - 1]
    kept = np.unique(np.concatenate([lowest, highest]))
    return x[kept], y[kept]


def figure(each: DiagnosedRun) -> Figure:
    """A panel for the losses, one for the metric and one for the learning rate, where logged."""
    panels = [name for name in _HEIGHTS if _curves(each, name)]
    with style.quiet():
        findings = _headline(each)
        top = 0.75 + 0.19 * len(findings)
        height = top + sum(_HEIGHTS[name] + _GAP for name in panels) + 0.3
        sheet = style.new_figure(_WIDTH, height)
        name = f" · {each.run.name}" if each.run.name else ""
        style.write(sheet, _LEFT - 0.45, 0.3, f"Training curves{name}", size=12, weight="bold")
        for place, (line, colour) in enumerate(findings):
            style.write(sheet, _LEFT - 0.45, 0.58 + 0.19 * place, line, size=9, color=colour)
        left, right = _span(each)
        for place, panel in enumerate(panels):
            axes = style.add_axes(sheet, _LEFT, top, _WIDTH - _LEFT - _RIGHT, _HEIGHTS[panel])
            _panel(axes, each, panel)
            axes.set_xlim(left, right)
            _frame(axes, each, panel, last=place == len(panels) - 1)
            top += _HEIGHTS[panel] + _GAP
        return sheet


def _curves(each: DiagnosedRun, panel: str) -> list[Curve]:
    roles: tuple[CurveRole, ...] = ("learning rate",)
    if panel == "loss":
        roles = ("train loss", "validation loss")
    elif panel == "metric":
        roles = ("train metric", "validation metric")
    chosen = [curve for role in roles for curve in each.run.of(role)[:1]]
    return [curve for curve in chosen if len(curve.x)]


def _headline(each: DiagnosedRun) -> list[tuple[str, str]]:
    colours = {Severity.ERROR: style.ALARM, Severity.WARNING: _WORRY, Severity.INFO: style.FAINT}
    lines = []
    for finding in each.findings:
        text = f"{finding.rule}: {finding.message}"
        for number, line in enumerate(textwrap.wrap(text, 125)):
            lines.append((f"{'  ' * bool(number)}{line}", colours[finding.severity]))
    return lines or [("nothing found", _BEST)]


def _span(each: DiagnosedRun) -> tuple[float, float]:
    ends = [curve.x[[0, -1]] for panel in _HEIGHTS for curve in _curves(each, panel)]
    low, high = (float(np.min(ends)), float(np.max(ends))) if ends else (0.0, 1.0)
    room = 0.02 * (high - low) or 0.5
    return low - room, high + room


def _panel(axes: Axes, each: DiagnosedRun, panel: str) -> None:
    curves = _curves(each, panel)
    finite = [_finite(curve) for curve in curves]
    if panel == "learning rate":
        _scale_rate(axes, finite[0][1])
    else:
        _scale(axes, [y for _, y in finite])
    for curve, (x, y) in zip(curves, finite, strict=True):
        colour = _RATE if panel == "learning rate" else (
            _HELD_OUT if curve.role.startswith("validation") else _TRAIN
        )  # fmt: skip
        _line(axes, curve.name, x, y, _track(each, curve), colour)
    if panel != "learning rate":
        _say_states(axes, each, panel)
    _say_non_finite(axes, curves)
    if panel == "learning rate" and len(curves) == 1:
        return
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        axes.legend(loc="best", frameon=True, framealpha=0.85, edgecolor="none", fontsize=7.5)


def _finite(curve: Curve) -> tuple[Floats, Floats]:
    known = np.isfinite(curve.y)
    return curve.x[known], curve.y[known]


def _track(each: DiagnosedRun, curve: Curve) -> Track | None:
    pairs = [each.facts.loss, *([each.facts.metric] if each.facts.metric else [])]
    tracks = [track for pair in pairs for track in pair.tracks]
    return next((t for t in tracks if t.name == curve.name and t.role == curve.role), None)


def _line(axes: Axes, name: str, x: Floats, y: Floats, track: Track | None, colour: str) -> None:
    label = _plain(name, 42)
    smooth = track is not None and len(track.x) > _FEW_POINTS / 2 and len(y) > _FEW_POINTS
    fine_x, fine_y = thinned(x, y)
    axes.plot(
        fine_x, fine_y, color=colour, linewidth=0.7 if smooth else 1.4,
        alpha=0.4 if smooth else 1.0, marker="o" if len(y) <= _FEW_POINTS else None, markersize=3,
        label=None if smooth else label,
    )  # fmt: skip
    if smooth and track is not None:
        scale = _unit(y, track)
        axes.plot(
            track.x, track.trend * scale, color=colour, linewidth=1.9, label=f"{label}, smoothed"
        )


def _plain(name: str, most: int) -> str:
    """A name for the legend, which would read a dollar as markup and hide a leading underscore."""
    text = style.printable(name if len(name) <= most else f"{name[: most - 3]}...")
    return f"{' ' * text.startswith('_')}{text}".replace("$", r"\$")


def _unit(y: Floats, track: Track) -> float:
    """100 where the facts have in fractions what the log has in percent."""
    return 100.0 if len(y) and np.median(y) > 20 * abs(np.median(track.y)) else 1.0


def _scale(axes: Axes, values: Sequence[Floats]) -> None:
    """A log axis where the range asks for it; room around the curves."""
    together = np.concatenate([*values, np.zeros(0)])
    if not len(together):
        axes.set_ylim(0, 1)
        return
    low, high = float(together.min()), float(together.max())
    usual = float(np.percentile(together, 10))
    typical = float(np.percentile(together, 95))
    if low > 0 and high > _LOG_RATIO * usual:
        axes.set_yscale("log")
        axes.set_ylim(max(low, usual / 1e4) / 1.3, high * 1.3)
        return
    if low <= 0 < typical < high / _LOG_RATIO:
        axes.set_yscale("symlog", linthresh=max(typical / 10, 1e-12))
        axes.set_ylim(low - 0.1 * typical, high * 1.3)
        return
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(low - room, high + room)


def _scale_rate(axes: Axes, rate: Floats) -> None:
    """From 0; a log axis for a rate that goes down in steps."""
    positive = rate[rate > 0]
    if not len(positive):
        axes.set_ylim(0, 1)
        return
    high = float(positive.max())
    if len(np.unique(positive)) <= _MOST_STEPS and high > _LOG_RATIO * positive.min():
        axes.set_yscale("log")
        axes.set_ylim(float(positive.min()) / 2, high * 2)
        return
    axes.set_ylim(0, 1.15 * high)


def _frame(axes: Axes, each: DiagnosedRun, panel: str, *, last: bool) -> None:
    low, high = axes.get_ylim()
    if axes.get_yscale() == "linear":
        count = 3 if panel == "learning rate" else 6
        ticks = [
            float(v)
            for v in MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
            if low <= v <= high
        ]
        axes.set_yticks(ticks)
        axes.set_yticklabels(style.tick_texts(ticks), parse_math=False)
    elif axes.get_yscale() == "log" and high / low < 1e3:
        subs = (1.0,) if panel == "learning rate" else (1.0, 2.0, 5.0)
        ticks = [v for v in LogLocator(subs=subs).tick_values(low, high) if low <= v <= high]
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: style.brief(float(v))))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: style.brief(float(v))))
    left, right = axes.get_xlim()
    whole = each.run.axis != "epoch" or right - left > 2
    ticks = [
        float(v)
        for v in MaxNLocator(10, integer=whole).tick_values(left, right)
        if left <= v <= right
    ]
    style.x_labels(axes, ticks, [_count(v) for v in ticks] if last else [""] * len(ticks))
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=style.FAINT, color=style.FAINT)
    axes.grid(axis="y", color=style.RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
        axes.spines[side].set_color(style.FAINT)
    axes.set_ylabel(_y_name(each, panel), fontsize=8, color=style.INK, parse_math=False)
    if last:
        axes.set_xlabel(each.run.axis, fontsize=8, color=style.INK, loc="right", labelpad=1)


def _y_name(each: DiagnosedRun, panel: str) -> str:
    measure = _curves(each, panel)[0].measure if panel != "learning rate" else "learning rate"
    text = measure.replace("_", " ")
    return style.printable(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}...")


def _say_states(axes: Axes, each: DiagnosedRun, panel: str) -> None:
    """What the findings are about, at the place where it is seen."""
    codes = {finding.code for finding in each.findings}
    facts = each.facts
    right = _span(each)[1]
    if each.best_epoch is not None and facts.best_x is not None:
        text = f"best {each.run.axis} {_count(each.best_epoch)}"
        axes.axvline(facts.best_x, color=_BEST, linewidth=1.2, linestyle="--", label=text)
        if "CRV001" in codes:
            axes.axvspan(
                facts.best_x, right, color=style.ALARM, alpha=0.07, linewidth=0, label="overfitting"
            )
    main = facts.main
    if panel != "loss" or main is None:
        return
    if "CRV006" in codes:
        axes.axvspan(
            main.best_x, right, color=style.ALARM, alpha=0.12, linewidth=0, label="divergence"
        )
    if "CRV007" in codes:
        axes.axvspan(
            main.flat_from, right, color=style.FAINT, alpha=0.14, linewidth=0, label="plateau"
        )
    if "CRV009" in codes:
        _mark_spikes(axes, facts.loss.tracks)
    if "CRV010" in codes and facts.chance is not None:
        axes.axhline(
            facts.chance.loss, color=style.FAINT, linewidth=1, linestyle=":",
            label=f"chance, ln {facts.chance.classes}",
        )  # fmt: skip


def _count(value: float) -> str:
    """An epoch or step in full: `1 648 500`, `2.5`."""
    return f"{value:,.0f}".replace(",", " ") if float(value).is_integer() else f"{value:.6g}"


def _mark_spikes(axes: Axes, tracks: Sequence[Track]) -> None:
    spikes = [spike for track in tracks for spike in track.spikes]
    if spikes:
        axes.plot(
            [spike.x for spike in spikes], [spike.value for spike in spikes], linestyle="none",
            marker="v", markersize=6, markerfacecolor="none", color=style.ALARM,
            label=f"spike{'s' * (len(spikes) > 1)}",
        )  # fmt: skip


def _say_non_finite(axes: Axes, curves: Sequence[Curve]) -> None:
    """Crosses along the upper edge where a curve is no number."""
    for number, curve in enumerate(curves):
        bad = curve.x[~np.isfinite(curve.y)]
        if not len(bad):
            continue
        axes.axvline(float(bad[0]), color=style.ALARM, linewidth=1, linestyle=":")
        shown = bad[np.linspace(0, len(bad) - 1, min(len(bad), 200)).astype(int)]
        axes.plot(
            shown, np.full(len(shown), 0.97 - 0.05 * number), linestyle="none", marker="x",
            markersize=4, color=style.ALARM, transform=axes.get_xaxis_transform(),
            label=f"NaN or infinite ({len(bad)} of {_plain(curve.name, 30)})",
        )  # fmt: skip
