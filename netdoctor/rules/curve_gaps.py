"""CRV: how far training and validation end apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from netdoctor.facts.curve_facts import CurveFacts, Pair, Track
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.curve_states import blocked, too_few

_GOOD = 0.85  # of a validation metric, or 0.15 of an error


@rule("CRV004", "generalisation-gap", Severity.WARNING)
def generalisation_gap(
    facts: CurveFacts,
    *,
    threshold: float = 0.1,
    loss_share: float = 0.25,
    ratio: float = 2.0,
    sure: float = 4.0,
    min_points: int = 6,
) -> Iterator[Hit | Skip]:
    """Training ends far better than validation.

    Measures: how far the training metric is ahead of validation's at the end, for a metric
    between 0 and 1: a warning from `threshold` on. Without such a metric: how far the validation
    loss ends above the training loss, over all that training fell, from `loss_share` on, if it is
    also `ratio` times the training loss (of a negative one, from twice `loss_share` on; three
    quarters of `ratio` where training fell by seven tenths and the share is a fifth more; six
    tenths where validation hardly follows training in the second half). Both must be `sure`
    standard errors of the noise. A metric half of `threshold` apart counts where the losses are
    twice `loss_share` and twice `ratio` apart, unless validation's metric is good.

    Why: the network knows the training samples better than the task; or the two sets are of
    different distributions.

    False alarm: validation that is harder by nature. A training metric that is a mean over the
    epoch, dropout and augmentation hide part of the gap, they never make one. Fewer than
    `min_points` points prove nothing.

    Remedy: more data, augmentation, weight decay; `netdoctor check-loader --against` compares the
    two sets.

    Source: Zhang et al. 2021 for `threshold`; the others: house heuristic.
    """
    pair = facts.metric
    if pair is None or not pair.share or pair.gap is None:
        pair = facts.loss
    if pair.train is None or pair.validation is None:
        yield Skip("it needs a training and a validation curve of the same measure")
        return
    if reason := blocked(facts, pair.train, pair.validation) or too_few(
        facts, *pair.tracks, least=min_points
    ):
        yield Skip(reason)
        return
    if any(bad.lasting and bad.name == pair.validation.name for bad in facts.non_finite):
        yield Skip(f"{pair.validation.name} ends as no number")
        return
    gap = pair.gap or 0.0
    error = float(np.hypot(pair.train.end_error, pair.validation.end_error))
    if gap <= sure * error:
        return
    if pair is facts.metric:
        if gap >= threshold:
            yield _apart(facts, pair, gap, threshold, error, f"{gap:.3g} apart")
        elif gap >= threshold / 2 and (share := _far_losses(facts, loss_share, ratio)):
            yield _apart(facts, facts.loss, share, loss_share, error, "far apart")
        return
    share = pair.train.share(gap)
    negative = pair.train.end <= 0
    fell = share >= 2 * loss_share and pair.train.drop > 0.2 * abs(pair.train.start)
    far = fell if negative else pair.validation.end >= ratio * pair.train.end
    plain = _plain_gap(pair, share, loss_share, ratio) or _widening(facts, pair, share, loss_share)
    if share >= loss_share and (far or plain):
        yield _apart(facts, pair, share, loss_share, error, f"{gap:.3g} apart")


def _plain_gap(pair: Pair, share: float, loss_share: float, ratio: float) -> bool:
    """Whether a gap of three quarters of that ratio is a fifth more of a fall of seven tenths."""
    train, validation = pair.train, pair.validation
    if train is None or validation is None or train.end <= 0:
        return False
    fitted = train.drop > 0.7 * train.start and share >= 1.2 * loss_share
    return fitted and validation.end >= 0.75 * ratio * train.end


def _far_losses(facts: CurveFacts, loss_share: float, ratio: float) -> float | None:
    """The share of a loss gap twice as far as asked for, by both measures; None of a lesser one."""
    train, validation = facts.loss.train, facts.loss.validation
    if train is None or validation is None or not 0 < 2 * ratio * train.end <= validation.end:
        return None
    if _well(facts):
        return None
    share = train.share(validation.end - train.end)
    return share if share >= 2 * loss_share and validation.end < validation.start else None


def _widening(facts: CurveFacts, pair: Pair, share: float, loss_share: float) -> bool:
    """Whether validation ends a fifth higher and gains less than half of what training does.

    In the second half of the run, in which training still falls by a twentieth of its fall: of a
    loss with a high floor, as of language, where the ratio says little and the share, a tenth more
    than asked for, says it. A share half as much again
    and a ratio of 1.3 are enough where validation has stopped as well as training. A good metric
    excuses it.
    """
    train, validation = pair.train, pair.validation
    if train is None or validation is None or train.end <= 0 or train.drop < 0.3 * train.start:
        return False
    if _well(facts):
        return False
    middle = float(validation.x[0] + validation.x[-1]) / 2
    gained = train.at(middle) - train.end
    followed = validation.at(middle) - validation.end
    apart = validation.end / train.end
    stopped = share >= 1.5 * loss_share and apart >= 1.3 and followed < 0.05 * validation.drop
    left_behind = gained >= 0.05 * train.drop and followed < 0.4 * gained
    return apart >= 1.2 and share >= 1.1 * loss_share and (left_behind or stopped)


def _well(facts: CurveFacts) -> bool:
    """Whether a validation metric says that it does well."""
    metric = facts.metric.validation if facts.metric is not None and facts.metric.share else None
    return metric is not None and metric.better * (metric.held - 0.5) > _GOOD - 0.5


def _apart(
    facts: CurveFacts, pair: Pair, gap: float, threshold: float, error: float, story: str
) -> Hit:
    assert pair.train is not None
    assert pair.validation is not None
    return Hit(
        facts.subject,
        f"{pair.train.name} ends at {pair.train.end:.4g} and {pair.validation.name} at "
        f"{pair.validation.end:.4g}, {story}",
        {"gap": gap, "threshold": threshold, "train": pair.train.end,
         "validation": pair.validation.end, "error": error},
        "More data, augmentation or weight decay; `netdoctor check-loader --against` tells "
        "whether the two sets are alike.",
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class _Side:
    """How often, and by how much, validation is better."""

    share: float
    margin: float


@rule("CRV011", "validation-below-training", Severity.INFO)
def validation_below_training(
    facts: CurveFacts, *, threshold: float = 0.02, often: float = 0.8, min_points: int = 6
) -> Iterator[Hit | Skip]:
    """The validation loss is lower than the training loss.

    Measures: how far the validation loss lies below the training loss in the second half of the
    run, the median as a share of the training loss: from `threshold` on, if it is lower at
    `often` of the points.

    Why: mostly harmless: dropout and augmentation act in training only, and the training loss is
    a mean over an epoch in which the network got better. But it is also what samples shared by
    both sets, or an easy validation set, look like.

    False alarm: it is no defect in itself, hence an info. Fewer than `min_points` points prove
    nothing.

    Remedy: evaluate the training data in evaluation mode and compare; `netdoctor check-loader
    --against` looks for samples that both sets share.

    Source: Schoop et al. 2021 (UMLAUT); thresholds: house heuristic.
    """
    train, validation = facts.loss.train, facts.loss.validation
    if train is None or validation is None:
        yield Skip("it needs a training and a validation loss")
        return
    if reason := blocked(facts, train, validation) or too_few(
        facts, train, validation, least=min_points
    ):
        yield Skip(reason)
        return
    side = _side(train, validation)
    if side.margin < threshold or side.share < often:
        return
    yield Hit(
        facts.subject,
        f"{validation.name} is {100 * side.margin:.0f} % below {train.name} in the second half",
        {"margin": side.margin, "threshold": threshold, "often": side.share,
         "train": train.end, "validation": validation.end},
        "Usual with dropout or augmentation; to be sure, evaluate the training data in "
        "evaluation mode, and run `netdoctor check-loader --against` for shared samples.",
    )  # fmt: skip


def _side(train: Track, validation: Track) -> _Side:
    late = validation.x >= (validation.x[0] + validation.x[-1]) / 2
    reference = np.interp(validation.x[late], train.x, train.trend)
    below = reference - validation.y[late]
    scale = np.maximum(np.abs(reference), 1e-12)
    return _Side(float(np.mean(below > 0)), float(np.median(below / scale)))
