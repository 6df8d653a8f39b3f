"""CRV: losses that are no numbers, that blow up, that jump."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netdoctor.facts.curve_facts import CurveFacts, Pair, Spike, Track
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.curve_divergence import DIVERGED, diverged, found_divergence
from netdoctor.rules.curve_states import judged, lost, not_learning, too_few

_BEYOND_CHANCE = 4.0


@rule("CRV003", "unstable-training", Severity.WARNING)
def unstable_training(
    facts: CurveFacts,
    *,
    threshold: float = 0.05,
    level_share: float = 0.08,
    small: float = 0.03,
    small_level: float = 0.25,
    swings: int = 2,
    min_points: int = 12,
) -> Iterator[Hit | Skip]:
    """The training loss jumps up and down from one epoch to the next.

    Measures: the scatter of the training loss around its own trend after the first quarter,
    between epochs or sixtieths of the steps, as a share of how far it fell in all. A warning from
    `threshold` on, if it is also `level_share` of the loss's level; or from `small` on, if it is
    `small_level` of the level and validation jumps with it: of a loss that is low most of the
    time; or if it climbs `swings` times by 6 % of its fall and a third of its level, and
    validation jumps as well (twice as often by a fifth of its fall, and validation too: also of
    a run that settles in the end); or from ten times `threshold` on, if it is half of
    `level_share`, and validation jumps by `small_level` of its level.

    Why: the steps overshoot. The weights that training ends with are a matter of luck.

    False alarm: losses of single steps are noisy by nature: medians of stretches are judged,
    and must scatter four times as much as those of independent steps.
    A few spikes are loss-spike. A cyclic learning rate moves the loss by design (skipped, where
    the rate is logged). Fewer than `min_points` points show no pattern.

    Remedy: lower the learning rate (`netdoctor lrfind` suggests one), clip gradients, use larger
    batches.

    Source: Zhang et al. 2021 (AutoTrainer), oscillating loss; thresholds: house heuristic.
    """
    train = facts.loss.train
    if reason := too_few(facts, train, least=min_points) or _cyclic(facts):
        yield Skip(reason)
        return
    assert train is not None
    share = train.share(train.roughness)
    relative = _relative(train)
    clear = share >= threshold and _worth(train, relative, level_share)
    swings_on = train.swings >= swings and not train.by_chance
    swinging = swings_on and share >= small / 3
    low = share >= small and relative is not None and relative >= small_level
    wild = share >= 10 * threshold and _worth(train, relative, level_share / 2)
    wild = wild and _leaping(facts.loss.validation, small_level)
    shaken = min(each.heaves for each in facts.loss.tracks) >= 2 * swings
    if not clear and not shaken and not ((low or swinging or wild) and _felt(facts, train)):
        return
    if train.roughness < _BEYOND_CHANCE * train.by_chance and not shaken:
        return
    if not_learning(facts) or (diverged(facts) is not None and not swings_on):
        return
    yield Hit(
        facts.subject,
        f"{train.name} jumps by {train.roughness:.3g} from point to point after the first "
        f"quarter, {100 * share:.0f} % of all it fell",
        {"scatter_share": share, "threshold": threshold, "scatter": train.roughness,
         "drop": train.drop, "points": train.points},
        "Lower the learning rate (`netdoctor lrfind` suggests one), clip gradients, or use "
        "larger batches.",
    )  # fmt: skip


def _leaping(track: Track | None, least: float) -> bool:
    return track is not None and (_relative(track) or 0.0) >= least


def _worth(train: Track, relative: float | None, least: float) -> bool:
    """Whether it is that share of the level; of a loss below 0, whether it fell by a sixth."""
    return relative >= least if relative is not None else train.drop > abs(train.start) / 6


def _felt(facts: CurveFacts, train: Track) -> bool:
    """Whether the validation loss jumps as much as the training loss; of epochs, if logged."""
    validation = facts.loss.validation
    if validation is None:
        return facts.axis == "epoch" and not train.by_chance
    return validation.roughness >= train.roughness


def _relative(track: Track) -> float | None:
    """The scatter over the level; None where the level says nothing."""
    crosses = track.y.min() < 0 < track.y.max()
    if track.better > 0 or crosses or track.middle == 0:
        return None
    return track.roughness / abs(track.middle)


def _cyclic(facts: CurveFacts) -> str | None:
    if facts.rate is not None and facts.rate.schedule == "cyclic":
        return "the learning rate goes up and down by design"
    return None


def _moved(facts: CurveFacts) -> str | None:
    if reason := _cyclic(facts):
        return reason
    track = diverged(facts)
    return f"{track.name} has diverged" if track is not None else None


@rule("CRV005", "nan-loss", Severity.ERROR)
def nan_loss(facts: CurveFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """A loss is NaN or infinite.

    Measures: the values of every training and validation loss that are no finite numbers;
    `threshold` of them are reported. What the log leaves out is not a value, unless it leaves out
    all from some point on while a curve with the same points so far goes on: tables write NaN so.

    Why: one NaN in a step's loss makes every weight NaN, unless the step is skipped. From there
    on nothing is learnt.

    False alarm: mixed precision skips steps whose gradients overflow, and an average over an
    empty validation set is NaN. Both are worth mending, so both are told.

    Remedy: `netdoctor check-forward` names the operation that makes the first NaN, `netdoctor
    gradflow` the gradient. Lower the learning rate if the loss rose before.

    Source: IEEE 754; house heuristic.
    """
    if not facts.loss.tracks and not facts.non_finite and not facts.contested:
        yield Skip("the log has no loss")
    for bad in facts.non_finite:
        if bad.count < threshold:
            continue
        stretch = f"from {facts.where(bad.first)} on" if bad.lasting else (
            f"at {facts.where(bad.first)}" if bad.count == 1
            else f"from {facts.where(bad.first)} to {facts.where(bad.last)}, and then recovers"
        )  # fmt: skip
        before = "" if bad.before is None else f"; the last value before is {bad.before:.4g}"
        yield Hit(
            bad.name,
            f"{bad.name} is {bad.kind} {stretch} ({bad.count} of {bad.points} values){before}",
            {"non_finite": bad.count, "threshold": threshold, "first": bad.first,
             "last": bad.last, "lasting": bad.lasting, "before": bad.before},
            "`netdoctor check-forward` names the operation that makes it, `netdoctor gradflow` "
            "the gradient; load a checkpoint from before, and lower the learning rate if the "
            "loss rose first.",
        )  # fmt: skip


@rule("CRV006", "divergence", Severity.ERROR)
def divergence_of_loss(
    facts: CurveFacts, *, threshold: float = DIVERGED, min_points: int = 4
) -> Iterator[Hit | Skip]:
    """The training loss rises far above its best and stays there.

    Measures: how far the loss ends above its lowest trend, over how far it had fallen; for a
    positive loss at least half of where it started is taken for the fall. A finding from
    `threshold` on, if the last tenth of the points all stay up and the rise is beyond the noise.
    Where only a validation loss is logged, four times as much is asked: overfitting raises it too.
    Half as much is enough where the validation loss has diverged as well, three tenths where both
    climb to the last point (half, of a training loss alone). A training loss that climbs from its
    first point on, one that loses half of what it had fallen together with validation (three
    quarters alone), one that explodes and is never again as low as at first, and an accuracy that
    falls back to guessing, are findings too.

    Why: the weights are past saving; training longer makes nothing better.

    False alarm: a loss that rises during warm-up comes down again, and so do a spike, a restart of
    the learning rate and a harder task. Losses of two players (GAN) and rewards are not judged,
    and fewer than `min_points` points prove nothing.

    Remedy: go back to a checkpoint before the rise; lower the learning rate, warm it up, clip
    gradients. `netdoctor lrfind` shows the rate at which the loss blows up.

    Source: Zhang et al. 2021 (AutoTrainer); Schoop et al. 2021 (UMLAUT); thresholds: house
    heuristic.
    """
    main = judged(facts)
    if reason := too_few(facts, main, least=min_points):
        yield Skip(reason)
        return
    found = found_divergence(facts, threshold)
    if found is None:
        return
    track = found.track
    yield Hit(
        facts.subject,
        f"{track.name} {found.story} from {found.before:.4g} at {facts.where(found.onset)} to "
        f"{found.after:.4g}, and stays there",
        {"rise_share": found.share, "threshold": found.threshold, "start": track.start,
         "best": found.before, "end": found.after, "onset": found.onset, "noise": track.noise},
        "Go back to a checkpoint from before; lower the learning rate (`netdoctor lrfind` shows "
        "where the loss blows up), warm it up, clip gradients; of a loss that rises from the "
        "start, check its sign.",
    )  # fmt: skip


@rule("CRV008", "oscillating-validation", Severity.WARNING)
def oscillating_validation(
    facts: CurveFacts,
    *,
    threshold: float = 0.12,
    small: float = 0.08,
    small_level: float = 0.3,
    over_train: float = 2.0,
    least_metric: float = 0.04,
    least_level: float = 0.04,
    min_points: int = 10,
) -> Iterator[Hit | Skip]:
    """Validation jumps from epoch to epoch while training is smooth.

    Measures: the scatter of the validation loss (of the metric, where no loss is logged) around
    its own trend after the first quarter, as a share of how far it improved in all. A warning
    from `threshold` on, or from `small` on if it is `small_level` of the loss's level; if it is
    `over_train` times the training curve's scatter; of a metric that is a share, `least_metric`
    at least, of a positive loss `least_level` of its level. A validation loss that climbs three
    times or more by 6 % of its range and 30 % of its level, while training never does, counts
    from `small` on, or if three points leap by a quarter of its fall;
    three of a metric by 0.12, 15 % of its way and five times its noise.

    Why: which checkpoint is kept is a matter of luck, and one evaluation says little.

    False alarm: a small validation set scatters by sqrt(p (1 - p) / n). Early epochs at a high
    learning rate scatter and settle later: they are left out. Fewer than `min_points` points
    show no pattern.

    Remedy: evaluate on more samples; check the momentum of batch norm and the mode (`netdoctor
    check-forward` compares training and evaluation); lower the learning rate, or average weights.

    Source: Zhang et al. 2021 (AutoTrainer); thresholds: house heuristic.
    """
    pair = _oscillating(facts)
    validation = pair.validation if pair else None
    if reason := too_few(facts, validation, least=min_points) or lost(facts) or _moved(facts):
        yield Skip(reason)
        return
    assert pair is not None
    assert validation is not None
    share = validation.share(validation.roughness)
    smooth = pair.train.roughness if pair.train is not None else 0.0
    quiet = pair.share and validation.roughness < least_metric
    relative = _relative(validation)
    low = share >= small and relative is not None and relative >= small_level
    swinging = _swinging(pair, validation)
    leaping = swinging and _leaps(validation, 0.25 * validation.drop)
    if pair.share and pair is facts.metric:
        least = max(0.12, 0.15 * validation.drop, 5 * validation.noise)
        leaping = _leaps(validation, least)
    smoother = validation.roughness >= over_train * smooth or leaping
    clear = share >= threshold or low or leaping or (swinging and share >= small)
    if not clear or not smoother or quiet:
        return
    if validation.roughness < _BEYOND_CHANCE * validation.by_chance:
        return
    if relative is not None and relative < least_level and not leaping:
        return
    plain = leaping or _all_over(pair, validation, share)
    if not_learning(facts) or (_near_floor(validation) and not plain):
        return
    jumps = f"jumps by {validation.roughness:.3g} from point to point after the first quarter, "
    jumps += f"{100 * share:.0f} % of all it improved; training by {smooth:.3g}"
    leaps = "leaps, three times or more, away from the points around it; training never does"
    yield Hit(
        facts.subject,
        f"{validation.name} {leaps if leaping else jumps}",
        {"scatter_share": share, "threshold": threshold, "scatter": validation.roughness,
         "train_scatter": smooth, "drop": validation.drop, "points": validation.points},
        "Evaluate on more samples; check the batch norms' momentum with `netdoctor "
        "check-forward`; lower the learning rate or average the weights.",
    )  # fmt: skip


def _oscillating(facts: CurveFacts) -> Pair | None:
    return facts.loss if facts.loss.validation is not None else facts.metric


def _swinging(pair: Pair, validation: Track) -> bool:
    """Whether it goes up and down over several points, three times or more, and training never."""
    calm = pair.train is not None and pair.train.swings == 0
    return calm and validation.better < 0 and validation.swings >= 3


def _leaps(validation: Track, least: float) -> bool:
    """Whether three late points are worse than both of their sides by so much."""
    late = -validation.better * validation.y[len(validation.y) // 4 :]
    if len(late) < 10:
        return False
    windows = np.lib.stride_tricks.sliding_window_view(late, 7)
    sides = np.maximum(windows[:, :3].min(axis=1), windows[:, 4:].min(axis=1))
    return int((windows[:, 3] - sides >= least).sum()) >= 3


def _all_over(pair: Pair, validation: Track, share: float) -> bool:
    """Whether it scatters by a quarter of what it improved, six times as much as training."""
    train = pair.train
    return train is not None and share >= 0.25 and validation.roughness >= 6 * train.roughness


def _near_floor(track: Track) -> bool:
    """Whether a positive loss scatters by less than a tenth of its level."""
    return track.better < 0 and track.y.min() > 0 and track.roughness < 0.1 * track.end


@rule("CRV009", "loss-spike", Severity.WARNING)
def loss_spike(
    facts: CurveFacts, *, threshold: float = 0.2, most: float = 0.1
) -> Iterator[Hit | Skip]:
    """The training loss jumps up for a moment and comes back.

    Measures: the height of the highest rise above the running median, over how far the loss fell
    in all; a warning from `threshold` on. Such a rise is 8 standard deviations or more, stands
    above the points before and after it, three times as far as those scatter, and is short. A
    quarter of `threshold` is enough where it doubles the loss and validation jumps with it. One
    sudden rise by four tenths of the fall counts as well that takes its time to come back, if the
    curve is calm but for it.

    Why: a bad batch, an overflow, or a learning rate on the edge of stability; the next one may
    not come back.

    False alarm: a drop or a new level has one side only. The first tenth of the run (warm-up),
    restarts of a logged learning rate, and rises at equal distances are left out. More than `most`
    of the points are unstable-training.

    Remedy: look at the batch of that step (`netdoctor check-loader`), clip gradients, lower the
    learning rate.

    Source: Chowdhery et al. 2022 (PaLM), loss spikes; thresholds: house heuristic.
    """
    train = facts.loss.train
    if reason := too_few(facts, train, least=8):
        yield Skip(reason)
        return
    assert train is not None
    high = [
        spike for spike in train.spikes
        if spike.height >= threshold * train.drop or _doubled(facts, spike, threshold * train.drop)
    ]  # fmt: skip
    if not high or len(high) > max(3, most * train.points) or diverged(facts) is not None:
        return
    worst = max(high, key=lambda spike: spike.height)
    count = "once" if len(high) == 1 else f"{len(high)} times"
    yield Hit(
        facts.subject,
        f"{train.name} spikes {count}; the highest reaches {worst.value:.4g} at "
        f"{facts.where(worst.x)}, {worst.height:.3g} above the curve",
        {"height_share": worst.height / train.drop, "threshold": threshold,
         "spikes": [spike.x for spike in high], "sigmas": worst.sigmas, "noise": train.noise},
        "Look at the batch of that step (`netdoctor check-loader`), clip gradients, or lower the "
        "learning rate.",
    )  # fmt: skip


def _doubled(facts: CurveFacts, spike: Spike, height: float) -> bool:
    """Whether a lower spike doubles a low loss, and the validation loss jumps at the same point."""
    validation, train = facts.loss.validation, facts.loss.train
    if validation is None or train is None or train.y.min() <= 0 or spike.height < height / 4:
        return False
    at = int(np.searchsorted(validation.x, spike.x))
    if at >= len(validation.y) or validation.x[at] != spike.x:
        return False
    sides = np.append(validation.y[max(0, at - 3) : at], validation.y[at + 2 : at + 5])
    if len(sides) < 4 or spike.value < 2 * (spike.value - spike.height):
        return False
    return bool(validation.y[at] > max(1.4 * float(np.median(sides)), float(sides.max())))
