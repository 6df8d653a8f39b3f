"""CRV: validation that gets worse while training gets better."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from netdoctor.facts.curve_facts import CurveFacts, Pair, Track
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.curve_divergence import diverged
from netdoctor.rules.curve_states import SURE, blocked, lost, too_few

_FEW = 10  # points, of which each is a level
_SAMPLES = 3  # answers that a falling metric has to be wrong in
_TURN = 0.2  # of the fall, by which so few have to rise


@rule("CRV001", "overfitting", Severity.WARNING)
def overfitting(
    facts: CurveFacts,
    *,
    threshold: float = 0.05,
    of_best: float = 0.1,
    sure: float = 3.0,
    metric_gap: float = 0.08,
    metric_fall: float = 0.02,
    min_points: int = 6,
) -> Iterator[Hit | Skip]:
    """Validation gets worse while training gets better.

    Measures: how far the validation loss ends above its best, as a share of how far it fell
    before; a warning from `threshold` on, if that is also `of_best` of its best value and `sure`
    standard errors of the noise (or a rising trend by Mann and Kendall's test of as many), and the
    training loss fell meanwhile. Of five to nine points that fall one by one and then rise one by
    one each is a level. Where the validation
    metric still improves, or holds while the training metric is less than `metric_gap` ahead, the
    network only becomes overconfident: an info, and called miscalibration. Without a validation
    loss, the metric's own fall counts, from `metric_fall` on.

    Why: from the best epoch on the network learns the training samples, not the task.

    False alarm: a validation loss that comes down again (epoch-wise double descent) is quiet, a
    noisy one as well. Fewer than `min_points` points prove nothing.

    Remedy: stop at the best epoch, or load its checkpoint; more data, augmentation, weight decay
    or dropout. Miscalibration: temperature scaling, label smoothing.

    Source: Prechelt 1998, "Early stopping - but when?" (generalisation loss); Guo et al. 2017 for
    calibration; thresholds: measured on logs of real runs, house heuristic.
    """
    pair = facts.loss if facts.loss.validation is not None else facts.metric
    validation = pair.validation if pair is not None else None
    if pair is not None and (turn := _turn(facts, pair, of_best)) is not None:
        doubt = _only_confidence(facts, turn, metric_gap, metric_fall)
        yield _overfitted(facts, pair, turn, turn.share(turn.rise), threshold, doubt)
        return
    if reason := blocked(facts, validation) or too_few(facts, validation, least=min_points):
        yield Skip(reason)
        return
    assert pair is not None
    assert validation is not None
    if pair is facts.metric:
        yield from _metric_alone(facts, pair, validation, threshold, metric_fall, sure)
        return
    share = validation.share(validation.rise)
    certain = validation.rise > sure * validation.rise_error or validation.steadiness < -sure
    relative = validation.rise >= of_best * abs(validation.best)
    if share < threshold or not certain or not relative or not _kept_rising(pair, validation):
        return
    if _restarted(facts, validation):
        return
    doubt = _only_confidence(facts, validation, metric_gap, metric_fall)
    yield _overfitted(facts, pair, validation, share, threshold, doubt)


def _turn(facts: CurveFacts, pair: Pair, of_best: float) -> Track | None:
    """A validation loss of a few points that falls at each, then rises at each; else None.

    Its levels are those points: the noise of so few is not known, but chance does not sort them.
    """
    train, track = pair.train, pair.validation
    if pair is not facts.loss or train is None or track is None or not 5 <= len(track.y) < _FEW:
        return None
    if lost(facts) or diverged(facts) is not None or len(train.y) < len(track.y):
        return None
    low = int(track.y.argmin())
    fall, rise = float(track.y[0] - track.y[low]), float(track.y[-1] - track.y[low])
    sorted_so = np.all(np.diff(track.y[: low + 1]) < 0) and np.all(np.diff(track.y[low:]) > 0)
    learns = bool(np.all(np.diff(train.y) < 0)) or len(train.y) > len(track.y)
    if low < 1 or len(track.y) - 1 - low < 2 or not sorted_so or not learns:
        return None
    if rise < max(_TURN * fall, of_best * abs(float(track.y[low]))):
        return None
    return dataclasses.replace(
        track, best=float(track.y[low]), best_index=low, start=float(track.y[0]),
        end=float(track.y[-1]), trend=track.y,
    )  # fmt: skip


def _kept_rising(pair: Pair, validation: Track) -> bool:
    """Whether the rise lasts to the end, over enough points, while training improved."""
    best = int((-validation.better * validation.trend).argmin())
    after = validation.y[best + 1 :]
    if len(after) < max(3, 0.1 * len(validation.y)):
        return False
    worse = -validation.better * (after - validation.best)
    recovered = abs(validation.peak - validation.end) > 0.35 * abs(
        validation.peak - validation.best
    )
    if recovered and -validation.late_change > 2 * validation.late_error:
        return False
    if float(np.mean(worse[len(worse) // 2 :] > 0)) < 0.8:
        return False
    if pair.train is None:
        return True
    then = pair.train.at(float(validation.x[best]))
    return -pair.train.better * (pair.train.end - then) < 0.02 * pair.train.drop


def _restarted(facts: CurveFacts, validation: Track) -> bool:
    """Whether the rate was raised after the best point, and has not come down again."""
    rate = facts.rate
    if rate is None or rate.last <= 0.1 * rate.highest:
        return False
    return any(rise > validation.best_x for rise in rate.rises)


def _only_confidence(facts: CurveFacts, validation: Track, gap: float, fall: float) -> str | None:
    """Why the rising loss is no overfitting: what the metric did meanwhile."""
    metric = facts.metric
    if metric is None or metric.validation is None or len(metric.validation.y) < 5:
        return None
    track = metric.validation
    best = float(validation.x[int(validation.trend.argmin())])
    gained = -track.better * (track.at(best) - track.end)
    span = 1.0 if metric.share else max(track.drop, 1e-12)
    error = track.end_error * 1.5
    left = 1 - track.at(best) if metric.share and track.better > 0 else span
    ahead = metric.gap if metric.share else None
    clear = 0.25 if ahead is not None and ahead >= gap else 0.1
    if gained > max(clear * left, 0.005 * span, 2 * error):
        return f"while {track.name} rises from {track.at(best):.3g} to {track.end:.3g}"
    if track.rise > max(fall * span, 3 * error) or (
        track.rise > fall * span and track.steadiness < -SURE
    ):
        return None
    if ahead is None and metric.share and track.better > 0:
        ahead = (1 - track.end) / 2
    return (
        f"while {track.name} holds at {track.end:.3g}"
        if ahead is not None and ahead < gap
        else None
    )


def _overfitted(
    facts: CurveFacts, pair: Pair, validation: Track, share: float, threshold: float,
    doubt: str | None,
) -> Hit:  # fmt: skip
    train = "" if pair.train is None else f"; {pair.train.name} falls to {pair.train.end:.4g}"
    story = (
        f"{validation.name} rises from {validation.y[validation.best_index]:.4g} at "
        f"{facts.where(validation.best_x)} to {validation.end:.4g}"
    )
    evidence = _evidence(facts, validation, share, threshold)
    if doubt:
        return Hit(
            facts.subject,
            f"miscalibration, not overfitting: {story} {doubt}; the network grows overconfident",
            evidence,
            "Choose the checkpoint by the metric; for trustworthy probabilities use label "
            "smoothing or temperature scaling.",
            Severity.INFO,
        )
    return Hit(
        facts.subject,
        f"{story}{train}",
        evidence,
        f"Stop at {facts.where(validation.best_x)} or load its checkpoint; more data, "
        "augmentation, weight decay or dropout. `netdoctor check-loader` looks for duplicates "
        "and a different distribution in the validation data.",
    )


def _metric_alone(
    facts: CurveFacts, pair: Pair, track: Track, threshold: float, fall: float, sure: float
) -> Iterator[Hit]:
    least = max(fall, _SAMPLES * _grain(track)) if pair.share else max(threshold, 0.1) * track.drop
    share = track.share(track.rise)
    if track.rise < max(least, sure * track.rise_error) or share < threshold:
        return
    if not _kept_rising(pair, track):
        return
    yield Hit(
        facts.subject,
        f"{track.name} is best at {facts.where(track.best_x)}, "
        f"{track.y[track.best_index]:.4g}, and ends at {track.end:.4g}",
        _evidence(facts, track, share, threshold),
        f"Stop at {facts.where(track.best_x)} or load its checkpoint; more data, augmentation, "
        "weight decay or dropout.",
    )


def _grain(track: Track) -> float:
    """The least difference of its values: one sample of the validation set, if that is small."""
    steps = np.diff(np.unique(np.round(track.y, 6)))
    return float(steps.min()) if len(steps) else 0.0


def _evidence(facts: CurveFacts, track: Track, share: float, threshold: float) -> dict[str, Any]:
    return {
        "rise_share": share, "threshold": threshold, "best_epoch": track.best_x,
        "best": float(track.y[track.best_index]), "end": track.end, "rise": track.rise,
        "noise": track.noise, "start": track.start,
    }  # fmt: skip
