"""Short rises of a loss that come back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.curve_facts import Spike
from netdoctor.probes.curve_smoothing import Floats, noise, running

_SIGMAS = 8.0
_TAILS = 4.0  # times the third highest tail of eight: a heavy-tailed noise is no spike
_SHARE = 0.05  # of the drop, below which nobody would see it
_STEP_SHARE = 0.25  # the same for single steps
_EARLY = 0.1  # share of the points in which warm-up may raise the loss
_SIDE = 5  # points on either side that it is compared with, or a fiftieth of all
_KEPT = 0.5  # of its height over the base that it must have over both sides
_ALONE = 3.0  # times the highest calm point on either side
_LONGEST = 0.05  # share of the points for which it is above half of its height
_STEPS = 300  # points, from which they are taken for single steps
_MANY = 5000
_JUMP = 0.4  # of the drop, by which a curve has to jump that comes back slowly
_CALM = 0.15  # of that height, above which it never rises else
_MOST_JUMPED = 1000  # points


def spikes(
    x: Floats, y: Floats, drop: float, rises: tuple[float, ...], steps: bool
) -> tuple[Spike, ...]:
    """The spikes of a loss; those that a rise of the learning rate explains are none.

    Args:
        x: (n,) of the log's own points.
        y: (n,) finite.
        drop: how far the loss fell in all.
        rises: x at which the learning rate rises by half or more.
        steps: whether the points are single steps, not epochs.
    """
    if len(y) < 8 or drop <= 0:
        return ()
    base = _base(y)
    off = y - base
    some = slice(None, None, max(1, len(y) // _MANY))
    sigma = max(float(np.median(np.abs(off[some])) / 0.6745), 1e-12 * float(np.ptp(y)))
    if len(y) <= _MANY:
        sigma = max(sigma, noise(y))
    high = np.flatnonzero(off > _least(off, _local(off, base, some, sigma), drop, steps))
    high = high[high >= max(2, _EARLY * len(y))]
    if not len(high):
        return _jump(x, y, drop, sigma, rises)
    groups = np.split(high, np.flatnonzero(np.diff(high) > 2) + 1)
    calm = np.ones(len(y), bool)
    calm[high] = False
    found = []
    for group in groups:
        top = int(group[off[group].argmax()])
        wide = int((off[group] > off[top] / 2).sum())
        height = _above(y, calm, int(group[0]), int(group[-1]), top)
        if wide > max(3, _LONGEST * len(y)) or height < _KEPT * off[top]:
            continue
        if _explained(float(x[group[0]]), x, rises):
            continue
        found.append(Spike(float(x[top]), float(y[top]), height, float(height / sigma)))
    if not found:
        return _jump(x, y, drop, sigma, rises)
    return () if _periodic(found, x) else tuple(found)


def _jump(
    x: Floats, y: Floats, drop: float, sigma: float, rises: tuple[float, ...]
) -> tuple[Spike, ...]:
    """The one sudden rise of a curve that is calm but for it, and takes its time to come back."""
    few, size = max(3, round(_EARLY * len(y))), 3
    if not 20 <= len(y) <= _MOST_JUMPED:
        return ()
    steps = np.diff(y)
    at = int(steps[few:].argmax()) + few + 1
    before = float(np.median(y[at - size : at]))
    top = at + int(y[at : at + 2].argmax())
    height = float(y[top]) - before
    others = np.delete(steps, slice(at - 1, top))[1:]
    calm = float(others.max()) < _CALM * height and float(y[at - 1]) < before + _CALM * height
    back = float(np.median(y[-size:])) < before + height / 4
    if height < max(_JUMP * drop, _SIGMAS * sigma) or not (calm and back):
        return ()
    if len(y) - top <= 2 * size or _explained(float(x[at]), x, rises):
        return ()
    return (Spike(float(x[top]), float(y[top]), height, float(height / max(sigma, 1e-300))),)


def _above(y: Floats, calm: NDArray[np.bool_], first: int, end: int, top: int) -> float:
    """How far it stands above both of its sides; 0 where it does not stand out from them.

    A drop, a rise to a new level and the end of a run have one side only. Isolated is what is
    `_ALONE` times as far above its sides as the highest of the calm points there.
    """
    size = max(_SIDE, len(y) // 50)
    before = y[max(0, first - size) : first][calm[max(0, first - size) : first]]
    after = y[end + 1 : end + 1 + size][calm[end + 1 : end + 1 + size]]
    if len(before) < 2 or len(after) < 1:
        return 0.0
    level = max(float(np.median(before)), float(np.median(after)))
    usual = max(_scatter(side) for side in (before, after))
    height = float(y[top]) - level
    return height if height > _ALONE * usual else 0.0


def _scatter(side: Floats) -> float:
    """How far its highest stands out, or its largest way up, if that is less: a fall is none."""
    climb = float((side - np.minimum.accumulate(side)).max())
    return min(climb, float(side.max() - np.median(side)))


def _periodic(found: list[Spike], x: Floats) -> bool:
    """Whether they come at equal distances, three or more: a schedule, not an accident."""
    if len(found) < 3:
        return False
    gaps = np.diff([spike.x for spike in found])
    room = max(0.04 * float(gaps.mean()), 1.01 * float(np.median(np.diff(x))))
    return float(np.ptp(gaps)) <= room and len(found) * float(gaps.mean()) > 0.5 * float(np.ptp(x))


def _local(off: Floats, base: Floats, some: slice, sigma: float) -> Floats:
    """(n,) the noise at each point: of a positive loss it grows with its level."""
    level = np.maximum(base, 0)
    relative = np.abs(off[some]) / np.maximum(level[some], 1e-12)
    grown = float(np.median(relative)) / 0.6745 * level
    return np.maximum(sigma, grown) if base.min() > 0 else np.full(len(off), sigma)


def _least(off: Floats, sigma: Floats, drop: float, steps: bool) -> Floats:
    """(n,) how high a spike has to be."""
    if not steps and len(off) < _STEPS:
        return np.maximum(_SIGMAS * sigma, _SHARE * drop)
    parts = np.array_split(off[:: max(1, len(off) // (8 * _MANY))], 8)
    tails = sorted(float(np.quantile(part, 0.98)) for part in parts)
    return np.maximum(_SIGMAS * sigma, max(_TAILS * tails[-3], _STEP_SHARE * drop))


def _base(y: Floats) -> Floats:
    """(n,) the curve without its spikes."""
    if len(y) <= _MANY:
        return running(y, min(101, max(7, len(y) // 20)) | 1)
    size = len(y) // 400
    whole = len(y) // size * size
    centres = np.arange(whole // size) * size + (size - 1) / 2
    levels = np.median(y[:whole].reshape(-1, size), axis=1)
    result: Floats = np.interp(np.arange(len(y)), centres, levels)
    return result


def _explained(start: float, x: Floats, rises: tuple[float, ...]) -> bool:
    room = 0.03 * float(x[-1] - x[0]) + float(np.median(np.diff(x)))
    return any(start - room <= rise <= start + room for rise in rises)
