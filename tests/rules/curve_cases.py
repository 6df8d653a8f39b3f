"""Facts of training curves for the rules, made up number by number."""

from __future__ import annotations

import dataclasses

import numpy as np

from netdoctor.facts.curve_facts import Chance, CurveFacts, NonFinite, Pair, Spike, Track
from netdoctor.facts.curves import CurveRole

EPOCHS = np.arange(13.0)
FALL = np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
LONG = np.append(FALL, [0.0, 0.0])
RISE = np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.02, 0.03, 0.04, 0.05, 0.05])


def track(role: CurveRole, y: np.ndarray = FALL, **changes: object) -> Track:
    """A curve without noise, that falls to 0 and is flat from there."""
    better = 1 if role.endswith("metric") else -1
    made = Track(
        name=role.replace(" ", "_"), role=role, measure="accuracy" if better > 0 else "loss",
        better=better, points=len(y), x=EPOCHS[: len(y)], y=y, trend=y, noise=0.0, roughness=0.0,
        by_chance=0.0,
        middle=1.0, swings=0,
        start=float(y[0]), end=float(y[-1]), end_error=0.0,
        best=float((better * y).max() * better),
        best_index=int((better * y).argmax()), peak=float(y.max()), late_change=0.0,
        late_error=0.0, flat_from=10.0,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def facts(
    train: Track | None = None,
    validation: Track | None = None,
    metric: Pair | None = None,
    bad: tuple[NonFinite, ...] = (),
) -> CurveFacts:
    """One run of epochs; by default a training loss that falls to 0."""
    return CurveFacts(
        run="", axis="epoch", first_label=0,
        loss=Pair("loss", train or track("train loss"), validation), metric=metric,
        non_finite=bad, chance=None, rate=None, best_x=5.0, best_by="loss",
    )  # fmt: skip


def validation(y: np.ndarray = FALL, **changes: object) -> CurveFacts:
    """A run with that validation loss."""
    return facts(track("train loss", np.linspace(1, 0, 11)), track("validation loss", y, **changes))


def accuracy(train: float, held_out: float, **changes: object) -> CurveFacts:
    """A run of two classes with those accuracies at its end; the training loss with changes."""
    pair = Pair(
        "accuracy",
        track("train metric", np.linspace(0, train, 11)),
        track("validation metric", np.linspace(0, held_out, 11)),
        share=True,
    )
    made = facts(track("train loss", **changes), metric=pair)
    return dataclasses.replace(made, chance=Chance(2, float(np.log(2)), 0.5, "the log"))


def spiked(height: float) -> CurveFacts:
    """A run with one spike of that height."""
    return facts(track("train loss", spikes=(Spike(7.0, height, height, 20.0),)))


def not_finite(count: int) -> CurveFacts:
    """A run with so many NaN in its training loss."""
    bad = NonFinite("loss", "NaN", count, 11, 11.0 - count, 10.0, lasting=False, before=0.1)
    return facts(bad=(bad,) if count else ())


def stays(at: float) -> CurveFacts:
    """A loss that goes from 100 to there at once, with an accuracy of guessing."""
    y = np.array([100.0, 100.0, *[at] * 9])
    pair = Pair("accuracy", None, track("validation metric", np.full(11, 0.1)), share=True)
    return facts(track("train loss", y), metric=pair)


def below(at: float) -> CurveFacts:
    """A training loss of 50 and more and a validation loss that ends there."""
    train = track("train loss", np.linspace(1, 0, 11).clip(0) * 50 + 50)
    train = dataclasses.replace(train, trend=np.array([100.0, *[50.0] * 10]))
    return facts(train, track("validation loss", np.array([100.0, *[at] * 10])))


# Rule: facts on which it fires, facts that leave it quiet, facts on its boundary.
CURVES = {
    "CRV001": (
        validation(np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7])),
        validation(),
        validation(RISE),
    ),
    "CRV002": (accuracy(0.6, 0.6), accuracy(0.9, 0.9), accuracy(0.75, 0.75)),
    "CRV003": (
        facts(track("train loss", LONG, roughness=0.4)),
        facts(track("train loss", LONG)),
        facts(track("train loss", LONG, roughness=0.05, middle=0.5)),
    ),
    "CRV004": (accuracy(0.9, 0.5), accuracy(0.95, 0.94), accuracy(0.1, 0.0)),
    "CRV005": (not_finite(3), not_finite(0), not_finite(1)),
    "CRV006": (
        facts(track("train loss", np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 5.0, 9.0, 9, 9, 9]))),
        facts(),
        facts(
            track("train loss", np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.2, 0.5, 0.5, 0.5, 0.5]))
        ),
    ),
    "CRV007": (
        accuracy(0.6, 0.6, flat_from=1.0),
        accuracy(0.9, 0.9, flat_from=1.0),
        accuracy(0.6, 0.6, flat_from=5.0),
    ),
    "CRV008": (validation(roughness=0.5), validation(), validation(roughness=0.12)),
    "CRV009": (spiked(0.8), facts(), spiked(0.2)),
    "CRV010": (stays(100.0), stays(20.0), stays(98.0)),
    "CRV011": (below(30.0), below(50.0), below(49.0)),
    "CRV012": (validation(late_change=-0.2), validation(), validation(late_change=-0.02)),
}
