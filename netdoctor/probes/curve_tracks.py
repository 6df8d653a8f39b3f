"""From a curve to its measures."""

from __future__ import annotations

import dataclasses

import numpy as np

from netdoctor.facts.curve_facts import NonFinite, Rate, Schedule, Spike, Track
from netdoctor.facts.curves import Axis, Curve
from netdoctor.probes.curve_smoothing import (
    Floats,
    last,
    level,
    noise,
    residuals,
    roughness,
    thinned,
    trend,
)
from netdoctor.probes.curve_spikes import spikes
from netdoctor.probes.curve_trends import steadiness, thirds

_MOST_EPOCHS = 400
_MOST_STEPS = 60
_FLAT = 0.08
_SAMPLE = 20_000
_SURE_SWING = 5.0  # standard deviations of a point, where single steps make it


def track(curve: Curve, axis: Axis, scale: float, rises: tuple[float, ...] = ()) -> Track | None:
    """The curve measured; None where it has no finite point.

    Args:
        curve: as the log has it.
        axis: points of epochs are judged one by one, points of steps in sixty stretches: by
            medians of a loss, by means of a metric, which has few values in a batch.
        scale: what y is multiplied by.
        rises: where the learning rate rises, for the spikes.
    """
    x, y = finite(curve)
    if not len(y):
        return None
    y = y * scale
    one_by_one = axis == "epoch" and len(y) <= _MOST_EPOCHS
    by = "mean" if curve.role.endswith("metric") else "median"
    xs, ys = thinned(x, y, _MOST_EPOCHS if one_by_one else _MOST_STEPS, by)
    better = curve.better if curve.role.endswith("metric") else -1
    measured = dataclasses.replace(
        _measured(curve, better, len(y), xs, ys), first=float(y[0]), highest=float(y.max())
    )
    single = curve.role == "train loss" and (axis != "epoch" or _within_epochs(xs))
    if len(ys) < len(y) or single:
        of_point = (1.25 if len(ys) < len(y) else 1.0) * noise(y[-_SAMPLE:])
        by_chance = of_point * (len(ys) / len(y)) ** 0.5
        measured = dataclasses.replace(measured, by_chance=by_chance)
    far = max(0.2 * float(np.ptp(measured.trend)), 0.3 * abs(measured.middle))
    if measured.by_chance:
        loud = float(np.sqrt(np.mean(residuals(y[-_SAMPLE:]) ** 2))) if len(y) > 2 else 0.0
        far = max(far, _SURE_SWING * max(measured.by_chance, loud * (len(ys) / len(y)) ** 0.5))
    measured = dataclasses.replace(measured, heaves=_climbs(-better * ys, far))
    if curve.role != "train loss":
        return measured
    found = spikes(x, y, measured.drop, rises, axis != "epoch" or _within_epochs(x))
    rough = _between(found, xs, ys) if found and len(ys) == len(y) else measured.roughness
    return dataclasses.replace(measured, spikes=found, roughness=rough)


def _between(found: tuple[Spike, ...], x: Floats, y: Floats) -> float:
    """The roughness without the spikes: a point before, two after."""
    away = np.ones(len(x), bool)
    for spike in found[:50]:
        top = int(np.searchsorted(x, spike.x))
        away[max(0, top - 1) : top + 3] = False
    return _rough(y[away]) if away.sum() > max(8, len(x) // 2) else _rough(y)


def _rough(y: Floats) -> float:
    return min(roughness(y[len(y) // 4 :]), roughness(y[5 * len(y) // 8 :]))


def _within_epochs(x: Floats) -> bool:
    """Whether several points lie in one epoch: losses of steps, labelled with epochs."""
    return len(x) > 1 and float(np.median(np.diff(x))) < 0.9


def finite(curve: Curve) -> tuple[Floats, Floats]:
    """The finite points of a curve."""
    finite = np.isfinite(curve.y)
    return curve.x[finite].astype(float), curve.y[finite].astype(float)


def _measured(curve: Curve, better: int, points: int, x: Floats, y: Floats) -> Track:
    smooth = trend(y)
    few = last(y)
    cost = -better * smooth
    sigma, late = noise(y), noise(y[int(0.4 * len(y)) :])
    end = level(y[-few:])
    best = int(cost.argmin())
    middle = level(y[len(y) // 4 :])
    swing = max(0.06 * float(np.ptp(smooth)), 0.3 * abs(middle))
    change, error = _late(-better * y, late)
    return Track(
        name=curve.name, role=curve.role, measure=curve.measure, better=better, points=points,
        x=x, y=y, trend=smooth, noise=sigma, by_chance=0.0,
        roughness=_rough(y),
        middle=middle, swings=_climbs(-better * y, swing),
        start=_start(y), end=end,
        end_error=1.25 * late / float(np.sqrt(few)),
        best=float(smooth[best]), best_index=int((-better * y).argmin()),
        peak=float(-better * cost[best:].max()), late_change=change, late_error=error,
        flat_from=_flat_from(x, cost, -better * end, sigma),
        thirds=thirds(y), steadiness=steadiness(-better * y),
    )  # fmt: skip


def _start(y: Floats) -> float:
    """The level of the first points, without a first one fifty times as high as what follows."""
    few = max(1, round(0.03 * len(y)))
    if len(y) > 2 and y[0] > 50 * np.abs(y[1:5]).max():
        return level(y[1 : few + 1])
    return level(y[:few])


def _late(cost: Floats, sigma: float) -> tuple[float, float]:
    """How much worse the last fifth is than the one before, and the standard error of that."""
    few = last(cost, 0.2)
    if len(cost) < 2 * few:
        return 0.0, float("inf")
    change = level(cost[-few:]) - level(cost[-2 * few : -few])
    return change, 1.25 * sigma * float(np.sqrt(2 / few))


def _flat_from(x: Floats, cost: Floats, end: float, sigma: float) -> float:
    """The first x at which the trend is as good as at the end."""
    room = max(1.5 * sigma, _FLAT * float(np.ptp(cost)))
    return float(x[int((cost <= end + room).argmax())])


def non_finite(curve: Curve) -> NonFinite | None:
    """Where the curve is no number."""
    bad = ~np.isfinite(curve.y)
    if not bad.any():
        return None
    places = np.flatnonzero(bad)
    first, end = int(places[0]), int(places[-1])
    kinds = [
        name
        for name, there in (("NaN", np.isnan(curve.y)), ("infinite", np.isinf(curve.y)))
        if there.any()
    ]
    return NonFinite(
        name=curve.name, kind=" and ".join(kinds), count=len(places), points=len(bad),
        first=float(curve.x[first]), last=float(curve.x[end]),
        lasting=bool(bad[-1]),
        before=float(curve.y[first - 1]) if first else None,
    )  # fmt: skip


def rate(curve: Curve) -> Rate | None:
    """The schedule of a learning rate."""
    x, y = finite(curve)
    if not len(y):
        return None
    highest, end = float(y.max()), float(y[-1])
    ratio = np.ones(len(y))
    ratio[1:] = np.divide(y[1:], y[:-1], out=np.ones(len(y) - 1), where=y[:-1] > 0)
    warm = int(y.argmax())
    fallen = y[1:] <= 0.5 * y[:-1]
    rises = x[np.flatnonzero((ratio >= 1.5) & (np.arange(len(y)) > warm))]
    return Rate(_schedule(y, highest, rises), highest, end,
                tuple(map(float, x[1:][fallen][:50])), tuple(map(float, rises[:50])),
                _spent(x, y, highest))  # fmt: skip


def _spent(x: Floats, y: Floats, highest: float) -> float | None:
    alive = np.flatnonzero(y > 0.02 * highest)
    return None if not len(alive) or alive[-1] + 1 >= len(y) else float(x[alive[-1] + 1])


def _schedule(y: Floats, highest: float, rises: Floats) -> Schedule:
    if highest == 0:
        return "zero"
    low = float(y.min())
    turns = len(_swings(y, 0.25 * (highest - low)))
    if turns >= 2 and highest > 1.5 * low:
        return "cyclic"
    if y[-1] <= 0.35 * highest:
        return "decayed"
    if int(y.argmax()) >= 0.8 * (len(y) - 1) and highest > 1.5 * y[0]:
        return "warming up"
    return "constant"


def _climbs(cost: Floats, least: float) -> int:
    """How often it goes up by so much, after it came down."""
    return sum(1 for size in _swings(cost, least) if size < 0) if least > 0 else 0


def _swings(y: Floats, least: float) -> list[float]:
    """Each turn by so much or more: negative where it turns up."""
    found: list[float] = []
    direction, extreme = 0, float(y[0])
    for value in map(float, thinned(y, y, 2000)[1]):
        if (direction >= 0 and value > extreme) or (direction <= 0 and value < extreme):
            direction, extreme = direction or (1 if value > extreme else -1), value
        elif abs(value - extreme) > least:
            found.append(extreme - value)
            direction, extreme = -direction, value
    return found
