"""More curves by formula with one planted fault each: of kinds that real runs had."""

from __future__ import annotations

import math

import numpy as np

from tests.curves.formulas import Columns, Maker, columns, noisy, shape


def diverges_at_the_end(rng: np.random.Generator) -> Columns:
    """The last three to five epochs blow up."""
    of = shape(rng, 12)
    count, few = len(of.at), int(rng.integers(3, 6))
    lift = np.zeros(count)
    lift[-few:] = of.start * rng.uniform(1.5, 8.0) ** np.arange(1, few + 1)
    return columns(rng, of, of.train + lift, of.val + lift)


def loses_what_it_learnt(rng: np.random.Generator) -> Columns:
    """Within a tenth of the run both losses rise by most of what they fell, and stay there."""
    of = shape(rng, 15)
    after = np.clip((of.at - rng.uniform(0.3, 0.7)) / 0.1, 0, 1)
    lift = rng.uniform(0.6, 0.95) * of.drop * after
    return columns(rng, of, of.train + lift, of.val + lift, accuracies=False)


def explodes_at_the_start(rng: np.random.Generator) -> Columns:
    """Single steps: from the second on a hundred times as high, later at a bad level."""
    count = int(rng.integers(80, 800))
    first = 10 ** rng.uniform(-1, 1)
    level = first * rng.uniform(2.0, 5.0)
    height = first * 10 ** rng.uniform(2, 4)
    fall = np.exp(-np.arange(count) / rng.uniform(1.5, 0.04 * count + 1.6))
    loss = (level + height * fall) * rng.gamma(200, 1 / 200, count)
    loss[0] = first
    return {"loss": loss}


def validation_leaps(rng: np.random.Generator) -> Columns:
    """Validation leaps up at several epochs, and training is smooth."""
    of = shape(rng, 20, loudest=0.01)
    count = len(of.at)
    made = columns(rng, of, of.train, of.val, accuracies=False)
    places = rng.choice(np.arange(count // 4, count - 1), max(4, count // 8), replace=False)
    made["val_loss"][places] += rng.uniform(0.6, 3.0, len(places)) * of.drop
    return made


def language_gap(rng: np.random.Generator) -> Columns:
    """A language model: training falls on, validation stays well above it."""
    count = int(rng.integers(12, 100))
    at = np.arange(count) / (count - 1)
    start = rng.uniform(3.6, 6.0)
    end = start * rng.uniform(0.3, 0.5)
    train = end + (start - end) * np.exp(-at / rng.uniform(0.2, 0.35))
    held = end + rng.uniform(0.3, 0.5) * (start - end)
    val = held + (start - held) * np.exp(-at / rng.uniform(0.08, 0.15))
    noise = rng.uniform(0.001, 0.004) * start * rng.standard_normal((2, count))
    return {"loss": train + noise[0], "val_loss": np.maximum(val, train) + noise[1]}


def shakes_then_settles(rng: np.random.Generator) -> Columns:
    """Both losses leap from epoch to epoch for two thirds of the run, then they fall and settle."""
    of = shape(rng, 40, pace=(0.05, 0.1), loudest=0.01)
    until = rng.uniform(0.5, 0.7)
    leaps = rng.uniform(0.1, 1.0, len(of.at)) * of.start * (of.at < until)
    both = np.maximum(leaps, np.interp(of.at - until, of.at, of.train) * (of.at >= until))
    return {"loss": noisy(rng, of, both), "val_loss": noisy(rng, of, 1.05 * both)}


def leaps_and_never_learns(rng: np.random.Generator) -> Columns:
    """No fall, and leaps by a fifth of the level in training, and more in validation."""
    count = int(rng.integers(15, 80))
    level = 10 ** rng.uniform(-0.3, 2)
    leaps = rng.standard_normal((2, count))
    return {"loss": level * np.exp(0.2 * leaps[0]), "val_loss": level * np.exp(0.35 * leaps[1])}


def low_spike(rng: np.random.Generator) -> Columns:
    """Once the loss is higher by a quarter to a half of its fall, long after it fell."""
    of = shape(rng, 20, pace=(0.04, 0.1), loudest=0.008)
    made = columns(rng, of, of.train, of.val, accuracies=False)
    k = int(rng.integers(round(0.5 * len(of.at)), len(of.at) - 3))
    made["loss"][k] += rng.uniform(0.25, 0.5) * of.drop
    return made


def steps_swing(rng: np.random.Generator) -> Columns:
    """Single steps: the loss swings to and fro over dozens of them, four times or more."""
    of = shape(rng, 300, 3000, fitted=0.4, pace=(0.04, 0.1))
    waves = 0.5 + 0.5 * np.sin(of.at * 2 * math.pi * rng.uniform(5.0, 9.0))
    level = of.train + rng.uniform(0.4, 0.8) * of.drop * waves
    few = 1 / rng.uniform(0.05, 0.2) ** 2
    return {"loss": level * rng.gamma(few, 1 / few, len(of.at))}


PLAIN: dict[str, tuple[Maker, tuple[str, ...], tuple[str, ...]]] = {
    made.__name__: (made, must, may)
    for made, must, may in (
        (diverges_at_the_end, ("CRV006",), ()),
        (loses_what_it_learnt, ("CRV006",), ()),
        (explodes_at_the_start, ("CRV006",), ()),
        (validation_leaps, ("CRV008",), ()),
        (language_gap, ("CRV004",), ()),
        (shakes_then_settles, ("CRV003",), ("CRV008",)),
        (leaps_and_never_learns, ("CRV003", "CRV010"), ("CRV008",)),
        (low_spike, ("CRV009",), ()),
        (steps_swing, ("CRV003",), ()),
    )
}
