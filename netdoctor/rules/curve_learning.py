"""CRV: runs that learn nothing, too little, or not yet enough."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netdoctor.facts.curve_facts import CurveFacts, Track
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.curve_divergence import diverged
from netdoctor.rules.curve_states import (
    LEAST_POINTS,
    NOT_LEARNT,
    Level,
    blocked,
    constant,
    fallen,
    improving,
    judged,
    level,
    lost,
    noisy_labels,
    stuck,
    too_few,
)


@rule("CRV002", "underfitting", Severity.WARNING)
def underfitting(
    facts: CurveFacts,
    *,
    threshold: float = 0.5,
    moving: float = 0.75,
    runs: float = 8.0,
    apart: float = 0.2,
    min_points: int = 8,
) -> Iterator[Hit | Skip]:
    """Training ends far from a fit, and validation with it.

    Measures: the share of what there was to learn that is left at the end: what an accuracy is
    missing to 1, else the loss over chance (ln C). The better of training and validation counts.
    A warning from `threshold` on for curves that have all flattened. One that still improves is
    still-improving and nothing else, unless `runs` more runs as long as this one would be needed
    at the pace of its last fifth, which is no faster than before; half as many where `moving` is
    left.

    Why: the network is too small, too strongly regularised, or its learning rate too low. More
    data does not help.

    False alarm: a hard task, mixup or label smoothing leave a high loss by nature. Without an
    accuracy and the number of classes a high loss says nothing (skipped). A training metric that
    is `apart` from validation's is a generalisation-gap instead. Noise in the labels leaves a low
    accuracy, but then the loss is what that accuracy allows at best (quiet). Fewer than
    `min_points` points prove nothing.

    Remedy: `netdoctor overfit` tells whether the network can learn one batch; `netdoctor lrfind`
    whether the learning rate is too low. Then a larger network or less regularisation.

    Source: Goodfellow et al. 2016, chapter 11.3; thresholds: house heuristic.
    """
    main = judged(facts)
    if reason := blocked(facts, main) or too_few(facts, main, least=min_points):
        yield Skip(reason)
        return
    found = level(facts)
    if found is None or main is None:
        yield Skip("how well a network that knows nothing would do is not known")
        return
    if (facts.metric is not None and facts.metric.share) and (facts.metric.gap or 0) > apart:
        return
    falling = improving(facts) or main.quickening
    if found.left < threshold or noisy_labels(facts, found):
        return
    enough = runs if found.left < moving else runs / 2
    if falling and not _slow(main, enough):
        return
    yield Hit(
        facts.subject,
        f"{100 * found.left:.0f} % of what there was to learn is left at the end, by "
        f"{found.by}: {main.name} goes from {main.start:.4g} to {main.end:.4g}"
        f"{', and still falls slowly' if falling else ' and is flat'}",
        {"left": found.left, "threshold": threshold, "start": main.start, "end": main.end,
         "late_change": main.late_change, "noise": main.noise},
        "Run `netdoctor overfit` to see whether the network can learn one batch, and `netdoctor "
        "lrfind` whether the rate is too low; then a larger network, or less regularisation.",
    )  # fmt: skip


def _slow(loss: Track, runs: float) -> bool:
    """Whether so many more runs as long would not bring it to 0, at a pace that does not grow."""
    fall = 5 * max(0.0, -loss.late_change)
    return loss.end >= runs * fall and loss.pace <= 1.3 and len(loss.y) >= 15


@rule("CRV007", "plateau", Severity.WARNING)
def plateau(
    facts: CurveFacts, *, threshold: float = 0.5, left: float = 0.4, min_points: int = 10
) -> Iterator[Hit | Skip]:
    """Training stops improving early, at a level that is still bad.

    Measures: the share of the run for which the training loss has stayed within its noise (or 4 %
    of its fall) of where it ends; a warning from `threshold` on, if more than `left` of what there
    was to learn is left (see underfitting), or if it stopped at a stroke, as nothing that
    converges does.

    Why: the rest of the run was spent for nothing; a step down of the learning rate often sets it
    going again.

    False alarm: a converged run ends flat. A decayed learning rate flattens every curve (skipped,
    where it is logged), unless it was spent in the first two fifths of the run while the loss was
    still falling. Label smoothing and noise in the targets leave a high floor. Fewer than
    `min_points` points prove nothing.

    Remedy: lower the learning rate on plateaus (ReduceLROnPlateau); `netdoctor deadneurons` and
    `netdoctor gradflow` show units and gradients that have died.

    Source: torch.optim.lr_scheduler.ReduceLROnPlateau; thresholds: house heuristic.
    """
    main = judged(facts)
    if reason := blocked(facts, main) or too_few(facts, main, least=min_points):
        yield Skip(reason)
        return
    assert main is not None
    found = level(facts)
    if main.flat_share >= threshold and _cut_short(facts, main) and not _fitted(found):
        yield _flat(facts, main, threshold, found, "the learning rate was spent while it fell")
        return
    if main.flat_share >= threshold and _stopped(facts) and not _fitted(found):
        yield _flat(
            facts, main, threshold, found, "it stopped at a stroke, in the midst of its fall"
        )
        return
    if found is None:
        yield Skip("how well a network that knows nothing would do is not known")
        return
    if facts.rate is not None and facts.rate.schedule in ("decayed", "cyclic"):
        yield Skip("the learning rate was decayed, which flattens every curve")
        return
    if noisy_labels(facts, found) or improving(facts):
        return
    if main.flat_share < threshold or found.left < left:
        return
    what = f"{100 * found.left:.0f} % of what there was to learn is left, by {found.by}"
    yield _flat(facts, main, threshold, found, what)


def _flat(facts: CurveFacts, main: Track, threshold: float, found: Level | None, what: str) -> Hit:
    return Hit(
        facts.subject,
        f"{main.name} is flat from {facts.where(main.flat_from)} on, "
        f"{100 * main.flat_share:.0f} % of the run: {what}",
        {"flat_share": main.flat_share, "threshold": threshold,
         "left": found.left if found else None, "flat_from": main.flat_from, "end": main.end,
         "noise": main.noise},
        "Lower the learning rate when the loss stalls, and not before; `netdoctor gradflow` and "
        "`netdoctor deadneurons` show what no longer learns.",
    )  # fmt: skip


def _cut_short(facts: CurveFacts, main: Track) -> bool:
    """Whether the rate was spent in the first two fifths, while the loss was still falling."""
    spent = facts.rate.spent if facts.rate is not None else None
    if spent is None or spent > main.x[0] + 0.4 * (main.x[-1] - main.x[0]):
        return False
    before = main.y[main.x < spent][-3:]
    fell = float(before[0] - before[-1]) if len(before) > 1 else 0.0
    return -main.better * fell < -0.1 * main.drop if main.better > 0 else fell > 0.1 * main.drop


def _stopped(facts: CurveFacts) -> bool:
    """Whether a loss fell, and from one point to the next not at all any more.

    What converges leaves a rest: each fall is a share of the one before. Here the last one is a
    twentieth of the whole or more, a tenth of the one before or more, and what follows on it is
    a fiftieth of it at most.
    """
    return any(_at_a_stroke(each) for each in facts.loss.tracks)


def _at_a_stroke(loss: Track) -> bool:
    y = loss.y
    if y.min() <= 0 or loss.end < 0.3 * loss.start:
        return False
    low = float(np.median(y[len(y) // 2 :]))
    fall = float(y[0]) - low
    bend = int((y <= low + 0.01 * fall).argmax())
    if fall <= 0.1 * loss.start or not 2 <= bend < len(y) - 4 or loss.noise > 0.001 * fall:
        return False
    before, last = (float(each) for each in -np.diff(y[bend - 2 : bend + 1]))
    rest = abs(float(y[bend] - np.median(y[bend + 1 : bend + 4])))
    return last >= 0.05 * fall and last >= 0.1 * before > 0 and rest <= 0.02 * last


def _fitted(found: Level | None) -> bool:
    return found is not None and found.left < 0.1


@rule("CRV010", "not-learning", Severity.ERROR)
def not_learning_at_all(
    facts: CurveFacts, *, threshold: float = NOT_LEARNT, min_points: int = 8
) -> Iterator[Hit | Skip]:
    """Neither the training loss nor a metric ever improves.

    Measures: how far the level of the training loss fell, as a share of its start; a finding at
    `threshold` or less, unless it falls all along by Mann and Kendall's test, or has begun to, and
    if the level is a bad one: the metric stays where guessing is, or is constant; the loss stays
    at a chance (ln C) that the log or the accuracy proves; or, where neither is known, the curve
    is so calm that a fall of `threshold` would have been seen, and half of that was not (twice as
    much, where validation stays as well or no third of the run is lower than the one before).
    Also where every loss is flat at ln 2, 10, 100 or 1000 to 0.4 % but for its first points, and
    where a metric stays at what guessing gives by its name (R2, correlations 0; AUC 0.5) while
    training falls by a third at most.

    Why: no gradient reaches the weights, the labels do not belong to the inputs, or the learning
    rate is 0, far too low or far too high.

    False alarm: a fine-tuned or converged network has little left to learn: a good metric or a
    loss below chance excuses it. A weak signal is a small fall, but a steady one. A network may
    sit at chance before it starts: fewer than `min_points` points are not judged, unless the loss
    is constant.

    Remedy: `netdoctor gradflow` shows whether gradients arrive, `netdoctor overfit` whether one
    batch can be learnt, `netdoctor check-loader` the labels, `netdoctor lrfind` the rate.

    Source: Zhang et al. 2021 (AutoTrainer); Karpathy 2019; thresholds: house heuristic.
    """
    main = judged(facts)
    least = LEAST_POINTS if main is not None and constant(main) else min_points
    if reason := too_few(facts, main, least=least) or lost(facts):
        yield Skip(reason)
        return
    assert main is not None
    if diverged(facts) is not None:
        yield Skip(f"{main.name} has diverged")
        return
    reason = stuck(facts, main, threshold)
    if reason is None:
        return
    zero = facts.rate is not None and facts.rate.schedule == "zero"
    yield Hit(
        facts.subject,
        f"{main.name} goes from {main.start:.4g} to {main.end:.4g}: {reason}"
        f"{'; the learning rate is 0' if zero else ''}",
        {"fallen": fallen(facts, main), "threshold": threshold, "start": main.start,
         "end": main.end, "noise": main.noise,
         "chance": facts.chance.loss if facts.chance else None},
        "Run `netdoctor gradflow` to see whether gradients arrive, `netdoctor overfit` whether "
        "one batch can be learnt, `netdoctor check-loader` for the labels, `netdoctor lrfind` "
        "for the rate.",
    )  # fmt: skip


@rule("CRV012", "still-improving", Severity.INFO)
def still_improving(
    facts: CurveFacts, *, threshold: float = 0.02, sure: float = 3.0, min_points: int = 8
) -> Iterator[Hit | Skip]:
    """The run ended while it was still getting better.

    Measures: how much better the last fifth of the validation loss (the training loss, where
    there is none) is than the fifth before, over all that it improved: from `threshold` on, and
    `sure` standard errors.

    Why: the same settings would do better with more epochs.

    False alarm: a loss over the logarithm of the steps always falls; the last drop of a decayed
    learning rate looks the same. Fewer than `min_points` points show no trend.

    Remedy: train longer from the last checkpoint.

    Source: house heuristic.
    """
    track = facts.loss.validation or facts.main
    if track is not None and len(track.y) < min_points:
        track = facts.main
    if reason := blocked(facts, track) or too_few(facts, track, least=min_points):
        yield Skip(reason)
        return
    assert track is not None
    share = track.share(-track.late_change)
    if share < threshold or -track.late_change < sure * track.late_error:
        return
    yield Hit(
        facts.subject,
        f"{track.name} still falls at the end: by {-track.late_change:.3g} in the last fifth of "
        f"the run, {100 * share:.0f} % of all it fell",
        {"late_share": share, "threshold": threshold, "late_change": track.late_change,
         "error": track.late_error, "end": track.end},
        "Train longer, from the last checkpoint.",
    )  # fmt: skip
