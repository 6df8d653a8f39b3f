"""Whether a training has diverged: the loss rises and stays up, or what was learnt is lost."""

from __future__ import annotations

import dataclasses

import numpy as np

from netdoctor.facts.curve_facts import CurveFacts, Track

DIVERGED = 0.5
_OVERFITTING_TOO = 4.0  # times as much of a validation loss alone
_RUNAWAY = 0.3  # of the fall, where training and validation climb to the last point
_UPHILL = 0.005  # of its start, for a training loss that rises from there on
_CLIMBED = 0.25  # of its start, for a training loss of a few points that all rise
_ALL_ALONG = -3.0  # steadiness of what gets worse all along
_NEVER_BACK = 1.5  # times its first point, where a loss ends that has exploded
_EXPLOSION = 20.0  # times its first point, that such a loss has reached
_SIGMAS = 6.0
_LOST = 0.75  # of what an accuracy had over guessing
_HALVED = 0.5  # of an accuracy, where nobody knows what guessing gives
_AT_A_STROKE = 0.3  # of an accuracy: guessing the most frequent class may be right so often
_CLIMBING = 3  # last points
_BOTH = 0.5  # of the threshold, where validation has diverged as well
_FAR = 3.0  # times its start, where validation alone ends


@dataclasses.dataclass(frozen=True, slots=True)
class Divergence:
    """What diverged, and by how much.

    Attributes:
        track: the curve.
        story: what it does.
        share: by which it was found, of at least `threshold`.
        threshold: of that.
        before, after: its level at the best and at the end.
        onset: where it leaves the best.
    """

    track: Track
    story: str
    share: float
    threshold: float
    before: float
    after: float
    onset: float


def diverged(facts: CurveFacts) -> Track | None:
    """The curve that has diverged; of validation only where no training curve is logged."""
    found = found_divergence(facts, DIVERGED)
    return found.track if found is not None else None


def found_divergence(facts: CurveFacts, threshold: float) -> Divergence | None:
    """The first sign of divergence; None where there is none."""
    main = facts.main
    if main is not None and len(main.y) >= 4:
        alone = main.role != "train loss"
        limit = _OVERFITTING_TOO * threshold if alone else threshold
        other = facts.loss.validation
        if not alone and other is not None and divergence(other) >= threshold:
            limit = threshold * _BOTH
        gentle = alone and not (_sudden(main) or main.end > _FAR * abs(main.start))
        for story, share, least in (
            ("rises", 0.0 if gentle or _coming_back(main) else divergence(main), limit),
            ("climbs", _runaway(facts, main), min(_RUNAWAY, threshold)),
            ("climbs from the start,", _uphill(facts, main), _UPHILL),
            ("climbs at each point,", _climbing(facts, main), _CLIMBED),
            ("loses what it had learnt and goes", _unlearnt(facts, main), min(_LOST, threshold)),
            ("explodes, and goes", _exploded(main), _NEVER_BACK),
        ):
            if share >= least:
                onset = float(main.x[int(main.trend.argmin())])
                return Divergence(main, story, share, least, main.best, main.end, onset)
    return _collapse(facts)


def divergence(track: Track) -> float:
    """The rise from its best to its end, over its fall from start to best.

    Of a positive loss that hardly fell, half of where it started counts as its fall. 0 where the
    rise is within the noise, or where it came down again.
    """
    return _risen(track, _fall(track))


def _risen(track: Track, least: float) -> float:
    """Its lasting rise over that fall."""
    tail = track.y[-max(min(4, len(track.y) // 6), 2, round(0.1 * len(track.y))) :]
    base = min(track.best, track.start)
    rise = track.end - base
    if rise <= 0 or least <= 0:
        return 0.0
    up = min(rise, least)
    steady = float(np.median(tail)) - base > 0.6 * up and float(tail.min()) - base > 0.3 * up
    sure = rise > _SIGMAS * _calm(track)
    return rise / least if sure and steady else 0.0


def _sudden(track: Track) -> bool:
    """Whether it gets half as bad within a tenth of the points: overfitting takes longer."""
    wide = max(2, round(0.1 * len(track.y)))
    steps = -track.better * (track.y[wide:] - track.y[:-wide])
    return bool(len(steps)) and float(steps.max()) > 0.5 * track.rise


def _coming_back(track: Track) -> bool:
    """Whether it is below its start and still comes down from its peak, as after a harder task."""
    if track.end >= track.start or len(track.y) < 10:
        return False
    returned = track.peak - track.end > 0.25 * (track.peak - track.best)
    return returned and -track.late_change > max(3 * track.late_error, 0.02 * track.drop)


def _fall(track: Track) -> float:
    return track.drop if track.y.min() < 0 else max(track.drop, abs(track.start) / 2)


def _calm(track: Track) -> float:
    """Noise of a point up to the best one: where it blows up the noise does as well."""
    until = track.y[: max(track.best_index + 1, 4)]
    if len(until) < 6:
        return 0.0
    off = np.abs(until[1:-1] - (until[:-2] + until[2:]) / 2)
    return min(float(np.median(off)) / 0.826, track.noise)


def _runaway(facts: CurveFacts, main: Track) -> float:
    """The lesser of both losses' rises over their falls, if both climb up to the last point.

    Six tenths of that of a training loss alone.
    """
    losses = facts.loss.tracks
    cyclic = facts.rate is not None and facts.rate.schedule == "cyclic"
    alone = len(losses) == 1
    if cyclic or main.role != "train loss" or min(len(each.y) for each in losses) < 8:
        return 0.0
    shares = []
    for each in losses:
        last = each.y[-_CLIMBING:]
        rise = float(last[-1]) - each.best
        climbing = bool(np.all(np.diff(last) > 0)) and rise > 2 * _SIGMAS * _calm(each)
        fall = each.drop if each.drop > 0.2 * abs(each.start) else _fall(each)
        shares.append(rise / fall if climbing and fall > 0 else 0.0)
    return min(shares) * (0.6 if alone else 1.0)


def _unlearnt(facts: CurveFacts, main: Track) -> float:
    """The rise of a training loss over what it had fallen, to a new level; and validation's.

    Without a validation loss, two thirds of that. A rate that is raised again explains it.
    """
    raised = facts.rate is not None and (facts.rate.schedule == "cyclic" or facts.rate.rises)
    if main.role != "train loss" or main.y.min() <= 0 or len(main.y) < 8 or raised:
        return 0.0
    if main.drop < 0.1 * main.start or main.rise < 0.1 * main.best or _coming_back(main):
        return 0.0
    other = facts.loss.validation
    held = _risen(other, other.drop) if other is not None and len(other.y) >= 4 else None
    share = _risen(main, main.drop)
    return share * 2 / 3 if held is None else min(share, held)


def _exploded(main: Track) -> float:
    """The end over the first point, of a loss that shot up and never was as low again."""
    first, others = main.first, main.y[1:]
    if main.role != "train loss" or len(others) < 8 or main.y.min() <= 0:
        return 0.0
    shot_up = main.highest > _EXPLOSION * first and others.min() > 1.2 * first
    return main.end / first if shot_up else 0.0


def _uphill(facts: CurveFacts, main: Track) -> float:
    """The rise of a training loss over its start, if it rises from there on to the end."""
    rise = main.end - main.start
    if main.role != "train loss" or main.y.min() <= 0 or len(main.y) < 8:
        return 0.0
    all_along = main.steadiness < _ALL_ALONG and main.drop < 0.25 * rise
    if not all_along or rise <= _SIGMAS * main.noise or _better_metric(facts):
        return 0.0
    return rise / main.start


def _climbing(facts: CurveFacts, main: Track) -> float:
    """The rise of a short training loss over its start, if each loss rises at each of its points.

    Five points without a trend are in that order once in 120 times.
    """
    few = 5 <= len(main.y) < 8 and main.role == "train loss" and main.y.min() > 0
    climbing = all(bool(np.all(np.diff(each.y) > 0)) for each in facts.loss.tracks)
    if not few or not climbing or _better_metric(facts):
        return 0.0
    return float(main.y[-1] - main.y[0]) / float(main.y[0])


def _better_metric(facts: CurveFacts) -> bool:
    """Whether a metric improves meanwhile."""
    metric = facts.metric.tracks if facts.metric is not None else ()
    return any(sum(each.gains) > max(0.02, 3 * each.third_error) for each in metric)


def _collapse(facts: CurveFacts) -> Divergence | None:
    """An accuracy that was well above guessing, falls back to it and stays there.

    That of validation counts where no training accuracy is logged, and the training loss, if it
    is, rises as well: overfitting never takes back all, but running statistics can.
    """
    metric, main = facts.metric, facts.main
    if metric is None or not metric.accuracy or any(bad.lasting for bad in facts.non_finite):
        return None
    track = metric.train or metric.validation
    if track is None or len(track.y) < 8 or track.better < 0:
        return None
    if main is not None and main.rise < 0.05 * _fall(main):
        return None
    chance, least = 0.0, _AT_A_STROKE if _sudden(track) else _HALVED
    if facts.chance is not None and (track.best - track.end) / max(track.best, 0.1) < least:
        chance, least = facts.chance.accuracy, _LOST
    gained = track.best - chance
    lost = (track.best - track.end) / gained if gained >= 0.1 else 0.0
    tail = track.y[-max(3, round(0.1 * len(track.y))) :]
    stays = float(tail.max()) < track.best - 0.5 * least * gained
    sure = track.best - track.end > 2 * _SIGMAS * track.noise
    below = track.end < track.start or bool(chance)
    if lost < least or not (stays and sure and below):
        return None
    onset = float(track.x[int(track.trend.argmax())])
    return Divergence(track, "falls", lost, least, track.best, track.end, onset)
