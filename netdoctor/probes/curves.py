"""The curves of a training run: trends, noise, levels, what they are compared with."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from netdoctor.facts.curve_facts import Chance, CurveFacts, NonFinite, Pair, Track
from netdoctor.facts.curves import Axis, Curve, TrainingRun
from netdoctor.probes.curve_tracks import non_finite, rate, track

_SHARES = re.compile(
    r"acc|top.?\d|precision|recall|f1|f.?score|map|auc|auroc|dice|iou|jaccard|error.?rate|\berr\b"
)
_ACCURACY = re.compile(r"acc|top.?1(?!\d)")
_PLAYERS = frozenset({
    "d", "g", "disc", "gen", "discriminator", "generator", "adv", "critic", "actor", "policy",
})  # fmt: skip
_COMMON = (2, 3, 4, 5, 6, 7, 8, 10, 20, 50, 100, 200, 1000)


def measure(run: TrainingRun) -> CurveFacts:
    """What the curves of that run say.

    The first curve of each role is the one that is judged, the other losses only for values that
    are no numbers. Linear in the number of points.
    """
    rates = [found for each in run.of("learning rate")[:1] if (found := rate(each))]
    rises = rates[0].rises if rates else ()
    loss = _losses(run, rises)
    metric = _metrics(run)
    best = _best(loss, metric)
    return CurveFacts(
        run=run.name, axis=run.axis, first_label=run.first_label, loss=loss, metric=metric,
        non_finite=tuple(
            bad
            for each in (*run.of("train loss"), *run.of("validation loss"))
            if (bad := non_finite(each) or _blank(each, run))
        ),
        chance=_chance(run, loss, metric),
        rate=rates[0] if rates else None,
        best_x=best.best_x if best else None, best_by=best.name if best else "",
        ignored=tuple(each.name for each in run.curves if _unknown(each)),
        contested=_contested(run),
    )  # fmt: skip


def _blank(loss: Curve, run: TrainingRun) -> NonFinite | None:
    """Where a loss ends at least three points before a curve that has had all of its x."""
    size = len(loss.x)
    for other in run.curves:
        judged = other.role.endswith(("loss", "metric"))
        left = len(other.x) - size
        if not judged or size < 3 or left < 3 or not np.array_equal(other.x[:size], loss.x):
            continue
        return NonFinite(
            loss.name, "blank", left, len(other.x), float(other.x[size]), float(other.x[-1]),
            lasting=True, before=float(loss.y[-1]),
        )  # fmt: skip
    return None


def _unknown(curve: Curve) -> bool:
    return curve.role == "other" or (curve.role.endswith("metric") and not curve.better)


def _losses(run: TrainingRun, rises: tuple[float, ...]) -> Pair:
    if _contested(run):
        return Pair("loss", None, None)
    train = next(iter(run.of("train loss")), None)
    same = [each for each in run.of("validation loss") if train and each.measure == train.measure]
    other = next(iter(run.of("validation loss")), None)
    validation = same[0] if same else other
    axis = _axis(run, train, validation)
    return Pair(
        train.measure if train else validation.measure if validation else "loss",
        track(train, axis, 1.0, rises) if train else None,
        track(validation, axis, 1.0) if validation else None,
    )


def _contested(run: TrainingRun) -> bool:
    """Whether its training losses are those of players against each other: none has to fall."""
    players = [_PLAYERS & set(each.measure.lower().split("_")) for each in run.of("train loss")]
    return len([each for each in players if each]) > 1 and bool(players[0])


def _axis(run: TrainingRun, train: Curve | None, validation: Curve | None) -> Axis:
    """Epochs also where steps count them: about as many training points as evaluations."""
    if train is None or validation is None or not 0 < len(train.y) <= 1.5 * len(validation.y):
        return run.axis
    return "epoch"


def _metrics(run: TrainingRun) -> Pair | None:
    trains = [each for each in run.of("train metric") if each.better]
    validations = [each for each in run.of("validation metric") if each.better]
    chosen = _first_accuracy(validations) or _first_accuracy(trains)
    if chosen is None:
        return None
    train = next((each for each in trains if each.measure == chosen.measure), None)
    validation = next((each for each in validations if each.measure == chosen.measure), None)
    values = np.concatenate([each.y for each in (train, validation) if each is not None])
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    named = bool(_SHARES.search(chosen.measure.lower()))
    percent = named and 1.5 < float(values.max()) <= 100.5 and float(values.min()) >= 0
    scale = 0.01 if percent else 1.0
    share = named and bool(values.max() * scale <= 1.005 and values.min() >= 0)
    return Pair(
        chosen.measure,
        track(train, run.axis, scale) if train else None,
        track(validation, run.axis, scale) if validation else None,
        share,
    )


def _first_accuracy(curves: Sequence[Curve]) -> Curve | None:
    """The first accuracy among them, else the first."""
    named = [each for each in curves if _ACCURACY.search(each.measure.lower())]
    return next(iter([*named, *curves]), None)


def _chance(run: TrainingRun, loss: Pair, metric: Pair | None) -> Chance | None:
    if run.classes and run.classes > 1:
        return _of(run.classes, "the log")
    if metric is not None and metric.accuracy:
        return _by_start(loss, metric) or _by_flat_accuracy(loss.train or loss.validation, metric)
    return None


def _by_start(losses: Pair, accuracy: Pair) -> Chance | None:
    """The number of classes whose logarithm is nearest to a first loss, if the accuracy fits."""
    off = {
        classes: min(abs(float(each.y[0]) / math.log(classes) - 1) for each in losses.tracks)
        for classes in _COMMON
        if losses.tracks and any(_guesses(each, classes) for each in accuracy.tracks)
    }
    nearest = min(off, key=lambda classes: off[classes], default=2)
    return _of(nearest, "loss and accuracy at the start") if off.get(nearest, 1) < 0.1 else None


def _guesses(accuracy: Track, classes: int) -> bool:
    """Whether its lowest is what guessing among so many gives; of a hundred a few are counted."""
    lowest = (float(accuracy.y.min()), float(accuracy.trend.min()))
    least, most = (0.6, 1.6) if classes < 100 else (-1.0, 5.0)
    return any(least < each * classes < most for each in lowest)


def _by_flat_accuracy(main: Track | None, accuracy: Pair) -> Chance | None:
    """An accuracy that stays at 1 / C, and a loss whose best is about ln C."""
    if max(len(each.y) for each in accuracy.tracks) < 5:
        return None
    if any(sum(each.gains) > max(0.02, 3 * each.third_error) for each in accuracy.tracks):
        return None
    values = np.concatenate([each.y for each in accuracy.tracks])
    middle = float(np.median(values))
    for classes in _COMMON:
        spread = float(np.quantile(values, 0.9) - np.quantile(values, 0.1))
        near = 0.75 < middle * classes < 1.2 and spread * classes < 0.6
        if near and (main is None or 0.9 < main.best / math.log(classes) < 1.3):
            return _of(classes, "a flat accuracy")
    return None


def _of(classes: int, known_by: str) -> Chance:
    return Chance(classes, math.log(classes), 1 / classes, known_by)


def _best(loss: Pair, metric: Pair | None) -> Track | None:
    """The curve whose best point is the run's."""
    pairs = [loss] if metric is None else [loss, metric]
    order = [each.validation for each in pairs] + [each.train for each in pairs]
    return next((each for each in order if each is not None), None)
