"""LRF: training that no learning rate sets going, or that every one blows up."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.lr_curve import LEAST_POINTS
from netdoctor.facts.lrfind import LrFindFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_SUBJECT = "training"


@rule("LRF001", "no-descent", Severity.ERROR)
def no_descent(
    facts: LrFindFacts, *, threshold: float = 4.5, far: float = 1.5, least_end: float = 0.01
) -> Iterator[Hit | Skip]:
    """No learning rate lowers the loss, though it is far from as low as it could be.

    Measures: how far the smoothed loss of a range test fell, in standard errors of that
    difference; `threshold` or less is no descent. It is a finding if no gradient reaches any
    trainable parameter, or if the loss starts at `far` times that of the best constant answer or
    more: to that level the last bias alone could bring it.

    Why: what does not learn at any rate is cut off from its loss, trains on the wrong sign, or
    has weights that no small step mends. Tuning the rate is then lost time.

    False alarm: a converged or fine-tuned model has nothing left to learn, and a network may sit
    on a plateau at the level of a constant answer for longer than the test lasts (recurrent
    networks with SGD do): both decline the suggestion and are no finding. Skipped where all
    parameters are frozen, the targets are random, the floor of the loss is not known, the range
    ends below `least_end`, or fewer than 20 steps came before the loss exploded.

    Remedy: run `netdoctor gradflow` first: it tells where the gradient is lost. Then check the
    sign of the loss, the labels and the scale of the data.

    Source: Smith 2017, "Cyclical learning rates"; thresholds: house heuristic.
    """
    reading = facts.reading
    if not facts.trainable:
        yield Skip("every parameter is frozen: there is nothing to train")
    elif not facts.moving and facts.sweeps[0].losses.size:
        yield _not_descending(facts, threshold, "no gradient reaches any trainable parameter")
    elif reading.descent > threshold:
        return
    elif min(len(sweep.losses) for sweep in facts.sweeps) < LEAST_POINTS:
        yield Skip(f"fewer than {LEAST_POINTS} steps before the loss exploded or the range ended")
    elif facts.random_targets:
        yield Skip("the targets are random: there is nothing to learn")
    elif facts.rates[-1] < least_end:
        yield Skip(f"the range ends at lr={facts.rates[-1]:.3g}: a higher rate may do")
    elif facts.chance is None:
        yield Skip(f"it is not known how low the loss {facts.loss} can get")
    elif reading.start < far * facts.chance:
        yield Skip(
            f"the loss starts at {reading.start:.3g}, and a constant answer has "
            f"{facts.chance:.3g}: the model has converged, or needs longer than the test"
        )
    else:
        yield _not_descending(
            facts,
            threshold,
            f"it starts at {reading.start:.3g}, and a constant answer would have "
            f"{facts.chance:.3g}",
        )


def _not_descending(facts: LrFindFacts, threshold: float, why: str) -> Hit:
    reading = facts.reading
    return Hit(
        _SUBJECT,
        f"no learning rate from {facts.rates[0]:.2g} to {facts.rates[-1]:.2g} lowers the loss: "
        f"{why}",
        {
            "descent": reading.descent,
            "threshold": threshold,
            "fall": reading.fall,
            "start_loss": reading.start,
            "constant_answer": facts.chance,
            "noise": reading.noise,
            "gradient": facts.moving,
            "repeats": len(facts.sweeps),
        },
        "Run `netdoctor gradflow` to see where the gradient is lost; then check the sign of the "
        "loss, the labels and the scale of the data.",
    )


@rule("LRF002", "always-diverges", Severity.ERROR)
def always_diverges(
    facts: LrFindFacts, *, threshold: float = 0.25, most_start: float = 1e-4
) -> Iterator[Hit | Skip]:
    """The loss explodes at once, however small the learning rate.

    Measures: the share of the range test's steps before the loss exploded or was no number, the
    median over the repeats; `threshold` or less is a finding.

    Why: a network that a step of a ten-thousandth throws off has gradients, inputs or weights of
    a wrong scale, or a loss that is not finite to begin with. It cannot be trained as it is.

    False alarm: a range that starts above `most_start` says nothing about lower rates: skipped.

    Remedy: if the loss is not finite before any step, `netdoctor check-forward` names the
    operation. Else normalise the inputs and targets, check the initial weights, clip gradients.

    Source: Smith 2017, "Cyclical learning rates"; thresholds: house heuristic.
    """
    if facts.survived > threshold:
        return
    first = facts.sweeps[0]
    if facts.rates[0] > most_start and first.losses.size:
        yield Skip(f"the range starts at lr={facts.rates[0]:.3g}: a lower rate may do")
        return
    before = not first.losses.size
    yield Hit(
        _SUBJECT,
        "the loss is not finite before any step"
        if before
        else f"the loss explodes within the first {100 * facts.survived:.0f} % of the steps: "
        f"{first.reason}",
        {
            "survived": facts.survived,
            "threshold": threshold,
            "stopped_at": [sweep.stopped_at for sweep in facts.sweeps],
            "stops": [sweep.stop for sweep in facts.sweeps],
            "steps": len(facts.rates),
        },
        "`netdoctor check-forward` names the operation that makes it."
        if before
        else "Normalise inputs and targets, check the initial weights' scale, and clip gradients.",
    )
