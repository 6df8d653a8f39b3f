"""What more than one rule of curves asks: has it diverged, has it learnt, how good is it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from netdoctor.facts.curve_facts import Chance, CurveFacts, Pair, Track
from netdoctor.rules.curve_divergence import diverged

LEAST_POINTS = 6
NOT_LEARNT = 0.02
SURE = 3.0  # standard errors
_HARDLY = 0.75  # of chance: a loss that has hardly come down
_TOO_HIGH = 1.2  # loss over the least that its accuracy allows
_NOT_GOOD = 0.35  # of an accuracy's way that is left
_ALONE = 20  # points that a loss needs which nothing else tells of
_POOR = 0.35  # accuracy
_TELLING = (2, 10, 100, 1000)  # classes whose chance is known by a loss alone
_OFTEN = (2, 3, 4, 5, 6, 7, 8, 10, 20, 50, 100, 200, 1000)
_BY_GUESSING = (
    (frozenset({"r2", "mcc", "matthews", "pearson", "spearman", "correlation", "corr"}), 0.0),
    (frozenset({"auc", "auroc", "rocauc", "cindex", "concordance"}), 0.5),
)
_NO_BETTER = 0.03  # above guessing
_FITTED_ALONE = 0.35  # of a training loss that fell: training has learnt something
_KEPT = 0.6  # of chance, by a loss
_DATA_SETS = (100, 200, 1000)  # classes of CIFAR, of birds and tiny pictures, of ImageNet


def too_few(facts: CurveFacts, *tracks: Track | None, least: int = LEAST_POINTS) -> str | None:
    """Why the curves cannot be judged; None where they can."""
    given = [track for track in tracks if track is not None]
    if not given and facts.contested:
        return "its losses are those of players against each other: none has to fall"
    if not given:
        return "the log has no such curve"
    shortest = min(given, key=lambda track: len(track.y))
    if len(shortest.y) < least:
        return f"{shortest.name} has {len(shortest.y)} finite points: {least} are needed"
    return None


def lost(facts: CurveFacts) -> str | None:
    """That the training loss ends as no number, or never was one; None where it does not."""
    main = facts.main
    for each in facts.non_finite:
        if each.lasting and (main is None or each.name == main.name):
            return f"{each.name} is {each.kind} from {facts.where(each.first)} on"
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class Level:
    """How much of what there was to learn is left.

    Attributes:
        left: share that is left at the best of training and validation, 1 for nothing learnt.
        by: what it is read off.
    """

    left: float
    by: str


def level(facts: CurveFacts) -> Level | None:
    """By accuracy and loss against chance; None where the number of classes is not known.

    No other metric and no loss tells how good is good: a mean precision of a half is, and so is
    an accuracy of a half for the next of fifty letters. A loss that has hardly come down, and is
    too high for its accuracy, outweighs an accuracy that is not good either. Where a training
    accuracy is missing, the training loss tells what training has fitted.
    """
    metric, chance = facts.metric, facts.chance
    if chance is None:
        return None
    if _language(facts, chance):
        return _at_least(facts, chance)
    if metric is not None and metric.accuracy:
        best = max(track.end for track in metric.tracks)
        left = (1 - best) / (1 - chance.accuracy)
        by_loss = _by_loss(facts)
        above = min(noise_ratios(facts), default=1.0) > _TOO_HIGH
        hardly = by_loss is not None and by_loss.left > max(left, _HARDLY)
        if hardly and above and left > _NOT_GOOD:
            return by_loss
        fitted = facts.loss.train if metric.train is None else None
        if fitted is not None and fitted.end / chance.loss < left:
            return Level(fitted.end / chance.loss, fitted.name)
        return Level(left, metric.measure)
    return _by_loss(facts)


def _at_least(facts: CurveFacts, chance: Chance) -> Level | None:
    """What is left for certain, of letters or whatever else has so many classes.

    An accuracy below `_POOR` with a loss that has kept more than `_KEPT` of chance, if the loss
    starts at the logarithm of a number of classes that data sets have and alphabets do not.
    """
    metric, losses = facts.metric, facts.loss.tracks
    if metric is None or not metric.accuracy or not losses or chance.classes not in _DATA_SETS:
        return None
    first = min(abs(float(each.y[0]) / chance.loss - 1.01) for each in losses)
    best = max(track.held for track in metric.tracks)
    kept = min(each.end for each in losses) / chance.loss
    poor = first < 0.04 and best < _POOR and kept > _KEPT
    return Level((1 - best) / (1 - chance.accuracy), metric.measure) if poor else None


def _language(facts: CurveFacts, chance: Chance) -> bool:
    """Whether the classes, many and guessed, may be letters, and far more than guessing is right.

    What can be known of the next letter is limited, and nobody knows how much it is.
    """
    if chance.known_by == "the log" or chance.classes < 50 or facts.metric is None:
        return False
    return max(track.held for track in facts.metric.tracks) > 5 * chance.accuracy


def noise_ratios(facts: CurveFacts) -> list[float]:
    """Each loss over the least that its accuracy allows, if the labels' noise is all there is.

    Where a share 1 - a of the labels is drawn anew, nobody does better than the accuracy a and
    the loss -a ln a - (1 - a) ln((1 - a) / (C - 1)).
    """
    metric, chance = facts.metric, facts.chance
    if metric is None or chance is None:
        return []
    pairs = (
        (facts.loss.train, metric.train),
        (facts.loss.validation, metric.validation),
    )
    return [
        loss.end / _least_loss(right.end, chance.classes)
        for loss, right in pairs
        if loss is not None and right is not None and 0 < right.end < 1
    ]


def _least_loss(accuracy: float, classes: int) -> float:
    wrong = 1 - accuracy
    return -accuracy * math.log(accuracy) - wrong * math.log(wrong / (classes - 1))


def noisy_labels(facts: CurveFacts, found: Level) -> bool:
    """Whether what is left may be noise in the labels: most answers are right, and calibrated.

    Of two classes every weak signal looks so: the loss of one whose strength differs from sample
    to sample is up to a sixth less.
    """
    if facts.chance is None or found.left > 0.9:
        return False
    if facts.metric is None or max(track.held for track in facts.metric.tracks) < 0.5:
        return False
    ratios = noise_ratios(facts)
    least = 0.85 if facts.chance.classes == 2 else 0.95
    return bool(ratios) and all(least <= ratio <= _TOO_HIGH for ratio in ratios)


def _by_loss(facts: CurveFacts) -> Level | None:
    chance = facts.chance
    if chance is None or not facts.loss.tracks:
        return None
    left = min(track.end for track in facts.loss.tracks) / chance.loss
    return Level(left, f"ln {chance.classes} = {chance.loss:.3g}")


def improving(facts: CurveFacts) -> bool:
    """Whether a loss or a metric still gets better at the end, by what still-improving asks."""
    metric = facts.metric.tracks if facts.metric is not None else ()
    return any(still_better(track) for track in (*facts.loss.tracks, *metric))


def still_better(track: Track, least: float = 0.02, sure: float = 3.0) -> bool:
    """Whether its last fifth is better than the one before, by that share of its way."""
    better = -track.late_change
    return track.share(better) >= least and better > sure * track.late_error and better > 0


def not_learning(facts: CurveFacts) -> str | None:
    """The reason to say that nothing was learnt; None where something was, or nobody can tell."""
    main = judged(facts)
    if main is None or len(main.y) < (LEAST_POINTS if constant(main) else 8):
        return None
    return stuck(facts, main, NOT_LEARNT)


def constant(track: Track) -> bool:
    """Whether it is the same at each point, but for rounding."""
    return float(np.ptp(track.y)) <= 1e-6 * abs(track.start)


def judged(facts: CurveFacts) -> Track | None:
    """The loss that tells whether training works; without any, the metric of a known range."""
    if facts.main is not None or facts.metric is None or not facts.metric.share:
        return facts.main
    return facts.metric.train or facts.metric.validation


def stuck(facts: CurveFacts, main: Track, threshold: float) -> str | None:
    """The reason to say that nothing was learnt: neither the loss nor a metric improved."""
    metric = facts.metric
    if main.role.endswith("metric"):
        return None if metric is None else _stuck_metric(facts, metric)
    if reason := _worse_than_guessing(facts) or _without_a_rate(facts, main, threshold):
        return reason
    if reason := _as_guessing(facts, main) or _at_known_chance(facts):
        return reason
    if fallen(facts, main) > threshold or main.start <= 0 or _fell(facts, main):
        return None
    if main.end > 1.15 * main.start:
        return None
    if metric is not None and metric.share:
        return _stuck_metric(facts, metric)
    if facts.chance is not None:
        at = main.end / facts.chance.loss
        chance = f"chance, ln {facts.chance.classes} = {facts.chance.loss:.3f}"
        return f"it stays at {chance}" if at > 0.93 else None
    flat = sum(main.gains) < main.third_error and main.steadiness < SURE / 3
    both = _validation_stays(facts, threshold)
    visible = threshold * (2 if flat or both else 1)
    seen = (both or len(main.y) >= _ALONE) and 3 * main.third_error < visible * main.start
    still = fallen(facts, main) < threshold * (1.0 if flat else 0.5) and main.steadiness < SURE
    if constant(main):
        return "it is the same throughout"
    if seen and still and main.end >= 0.5:
        return f"a fall of {100 * visible:g} % would have been seen"
    return None


def _validation_stays(facts: CurveFacts, threshold: float) -> bool:
    """Whether a validation loss with as many points as training hardly moves either."""
    main, other = facts.main, facts.loss.validation
    if main is None or other is None or other is main or len(other.y) < len(main.y):
        return False
    return fallen(facts, other) < threshold / 2 and other.steadiness < SURE


def _without_a_rate(facts: CurveFacts, main: Track, threshold: float) -> str | None:
    """A learning rate of 0 throughout, and a loss that is not low and did not fall all along."""
    zero = facts.rate is not None and facts.rate.schedule == "zero"
    metric = facts.metric.tracks if facts.metric is not None and facts.metric.share else ()
    good = any(each.held > 0.6 for each in metric) or main.end < 0.3
    if not zero or good or fallen(facts, main) > threshold or main.steadiness > SURE:
        return None
    return "it moves by its noise alone"


def _as_guessing(facts: CurveFacts, main: Track) -> str | None:
    """A metric whose level by guessing is known by its name, there from first to last."""
    metric = facts.metric
    words = set(metric.measure.lower().split("_")) if metric is not None else set()
    levels = [level for names, level in _BY_GUESSING if names & words]
    if metric is None or not levels or min(len(each.y) for each in metric.tracks) < 8:
        return None
    best = max(metric.tracks, key=lambda track: track.held)
    stays = best.held < levels[0] + _NO_BETTER and not any(map(_moved, metric.tracks))
    if not stays or improving(facts) or fallen(facts, main) > _FITTED_ALONE:
        return None
    return f"{metric.measure} stays at {best.held:.3g}, as by guessing"


def _at_known_chance(facts: CurveFacts) -> str | None:
    """Every loss flat at ln 2 or ln 10, say, within the rest of an epoch that found the bias."""
    losses, metric = facts.loss.tracks, facts.metric
    if not losses or min(len(each.y) for each in losses) < 10:
        return None
    rights = metric.tracks if metric is not None and metric.accuracy else ()
    if metric is not None and (not rights or any(map(_moved, rights))):
        return None
    for classes in _OFTEN if rights else _TELLING:
        if any(not 0.75 < float(np.median(each.y)) * classes < 1.25 for each in rights):
            continue
        chance = math.log(classes)
        late = [each.y[len(each.y) // 4 :] for each in losses]
        near = all(abs(float(np.median(y)) / chance - 1) < 0.004 for y in late)
        calm = all(float(np.quantile(np.abs(y / chance - 1), 0.9)) < 0.015 for y in late)
        if near and calm and not improving(facts) and all(e.start > 0.99 * chance for e in losses):
            return f"it stays at chance, ln {classes} = {chance:.3f}"
    return None


def _worse_than_guessing(facts: CurveFacts) -> str | None:
    """An accuracy that never moves, and a loss four times that of always saying the same.

    Of classes of equal size that is -ln of the accuracy, and of others hardly twice as much.
    """
    metric = facts.metric
    if metric is None or not metric.accuracy or len(metric.tracks) < 2:
        return None
    best = max(metric.tracks, key=lambda track: track.held)
    moved = any(
        sum(each.gains) > max(0.02, 3 * each.third_error)
        or best.held - each.start > max(0.05, 3 * each.noise)
        for each in metric.tracks
    )
    still = not moved and 0 < best.held < 0.6
    losses = facts.loss.tracks
    if not still or len(best.y) < 8 or min(each.best for each in losses) < -4 * math.log(best.held):
        return None
    return f"{metric.measure} stays at {best.held:.3g}, and the loss is worse than by guessing"


def _fell(facts: CurveFacts, main: Track) -> bool:
    """Whether it fell all along, or has begun to, beyond its noise.

    A fall by less than a hundredth is what the bias of a last layer learns: it counts only where
    nothing tells that the level is that of guessing.
    """
    if main.quickening:
        return True
    gain = sum(main.gains)
    least = 0.02 if facts.chance is not None else 0.005
    clear = gain > max(3 * main.third_error, least * abs(main.start))
    return clear and main.steadiness > SURE


def fallen(facts: CurveFacts, track: Track) -> float:
    """How far it came down at its lowest, as a share of its start or of chance, if that is less."""
    third = max(2, len(track.y) // 3)
    first = track.start
    if facts.chance is not None and track.better < 0:
        first = min(first, facts.chance.loss)
    lowest = min(float(np.median(track.y[-third:])), float(np.median(track.trend[third:])))
    return (first - lowest) / abs(first) if first else 0.0


def _stuck_metric(facts: CurveFacts, metric: Pair) -> str | None:
    best = max(metric.tracks, key=lambda track: track.better * track.held)
    moved = any(_moved(track) for track in metric.tracks)
    bad = best.held < 0.6 if best.better > 0 else best.held > 0.4
    if facts.chance is not None and metric.accuracy:
        excess = best.held - facts.chance.accuracy
        room = max(0.05, min(0.08, 0.6 * facts.chance.accuracy))
        near = excess < room + 2 * best.third_error
        if near and not (moved and excess > 0.05):
            return f"{metric.measure} stays at {best.held:.3g}, as by guessing"
        bad = bad and facts.chance.known_by == "the log" and near
    constant = all(float(np.ptp(track.y)) == 0 for track in metric.tracks)
    if constant and len(best.y) >= LEAST_POINTS and best.better * (best.held - 0.5) < 0.4:
        return f"{metric.measure} is {best.best:.4g} throughout"
    return f"{metric.measure} stays at {best.held:.3g}" if bad and not moved else None


def _moved(track: Track) -> bool:
    """Whether a metric that is a share improved, at once or all along."""
    at_once = -track.better * (track.start - track.held) > max(0.03, 3 * track.noise)
    steadily = sum(track.gains) > max(0.01, 3 * track.third_error) and track.steadiness > SURE
    return at_once or steadily


def blocked(facts: CurveFacts, *tracks: Track | None) -> str | None:
    """Why a rule that asks how well a run learnt has nothing to ask."""
    if few := too_few(facts, *tracks):
        return few
    if reason := lost(facts):
        return reason
    if (track := diverged(facts)) is not None:
        return f"{track.name} has diverged"
    if not_learning(facts):
        return "nothing was learnt"
    return None
