"""Curves by formula of runs that nothing is wrong with."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tests.curves.formulas import Columns, Maker, columns, several_classes, shape


def converges(rng: np.random.Generator) -> Columns:
    """Both fall and stay low."""
    of = shape(rng, 3)
    return columns(rng, of, of.train, of.val)


def falls_on(rng: np.random.Generator) -> Columns:
    """A fall that is not over when the run is."""
    of = shape(rng, 3, pace=(0.3, 1.0))
    return columns(rng, of, of.train, of.val)


def straight(rng: np.random.Generator) -> Columns:
    """A straight fall."""
    of = shape(rng, 3)
    line = of.start - (of.start - of.floor) * of.at
    return columns(rng, of, line, 1.05 * line)


def stairs(rng: np.random.Generator) -> Columns:
    """A fall at each drop of the learning rate, logged or not."""
    of = shape(rng, 20, pace=(0.03, 0.08))
    stage = (of.at >= 0.4).astype(int) + (of.at >= 0.75)
    high = 0.25 * of.drop * 0.3**stage
    rate = 0.1 * 0.1**stage if rng.random() < 0.5 else None
    return columns(rng, of, of.train + high, of.val + high, rate=rate)


def warms_up(rng: np.random.Generator) -> Columns:
    """A hump in the first tenth."""
    of = shape(rng, 20)
    hump = rng.uniform(0.1, 1.0) * of.start * np.exp(-(((of.at - 0.04) / 0.025) ** 2))
    rate = np.minimum(1, (of.at + 0.01) / 0.1) * (1 + np.cos(np.pi * of.at)) / 2
    return columns(rng, of, of.train + hump, of.val + 0.5 * hump, rate=rate)


def cosine(rng: np.random.Generator) -> Columns:
    """A learning rate that goes to 0, and a loss that falls with it."""
    of = shape(rng, 10)
    rate = 10 ** rng.uniform(-4, -1) * (1 + np.cos(np.pi * of.at)) / 2
    return columns(rng, of, of.train, of.val, rate=rate)


def starts_late(rng: np.random.Generator) -> Columns:
    """At chance for a while, then it gets it."""
    of = shape(rng, 20)
    fall = 1 / (1 + np.exp((of.at - rng.uniform(0.3, 0.5)) / 0.04))
    train = of.floor + of.drop * fall
    return columns(rng, of, train, train + 0.03 * of.drop * (1 - fall))


def single_steps(rng: np.random.Generator) -> Columns:
    """Losses of batches, loud."""
    of = shape(rng, 200, 4000, fitted=0.5)
    loud = rng.uniform(0.05, 0.3)
    few = 1 / loud**2
    return {"loss": of.train * rng.gamma(few, 1 / few, len(of.at))}


def dropout(rng: np.random.Generator) -> Columns:
    """Validation is better."""
    of = shape(rng, 6)
    return columns(rng, of, of.train + 0.15 * of.drop * (1 - of.at) + 0.05 * of.drop, of.val)


def smoothed_labels(rng: np.random.Generator) -> Columns:
    """A high floor of the loss, and an accuracy near 1."""
    of = several_classes(rng, 8, pace=(0.05, 0.2))
    made = columns(rng, of, of.train, of.val, accuracies=True)
    lift = rng.uniform(0.2, 0.35) * of.start
    return made | {"loss": made["loss"] * 0.75 + lift, "val_loss": made["val_loss"] * 0.75 + lift}


def fine_tuned(rng: np.random.Generator) -> Columns:
    """Good from its first epoch on."""
    of = shape(rng, 3, 30, fitted=0.6, pace=(0.2, 0.6))
    at_first = rng.uniform(0.05, 0.4) / of.start
    few = dataclasses.replace(of, sigma=0.5 * of.sigma)
    made = columns(rng, few, of.train, of.val, accuracies=False)
    made |= {name: at_first * made[name] for name in ("loss", "val_loss")}
    good = rng.uniform(0.88, 0.97)
    made["val_accuracy"] = np.clip(good + 0.02 * (1 - np.exp(-of.at / 0.3)), 0, 1)
    return made


def language(rng: np.random.Generator) -> Columns:
    """A language model: from ln V to three or so, by a power law, validated now and then."""
    count = int(rng.integers(20, 300))
    at = np.arange(count) / (count - 1)
    vocabulary = rng.choice([65, 256, 10_000, 50_257])
    start = math.log(vocabulary)
    end = start * rng.uniform(0.25, 0.45)
    level = end + (start - end) * (1 + at / rng.uniform(0.01, 0.06)) ** -0.6
    noise = rng.uniform(0.002, 0.01) * start
    made = level + noise * rng.standard_normal((2, count))
    return {"loss": made[0], "val_loss": made[1] + 0.02 * start}


def fine_tuned_language(rng: np.random.Generator) -> Columns:
    """A language model that another trained: it falls by a tenth or two."""
    count = int(rng.integers(8, 120))
    at = np.arange(count) / (count - 1)
    start = rng.uniform(1.2, 3.5)
    level = start * (1 - rng.uniform(0.06, 0.25) * (1 - np.exp(-at / rng.uniform(0.15, 0.5))))
    made = level + rng.uniform(0.001, 0.006) * start * rng.standard_normal((2, count))
    return {"loss": made[0], "val_loss": made[1] + 0.01 * start}


def regression_with_a_floor(rng: np.random.Generator) -> Columns:
    """Noise in the targets leaves a third to a half of the loss."""
    of = shape(rng, 10, fitted=0.02, pace=(0.05, 0.25))
    floor = rng.uniform(0.3, 0.5) * of.start
    made = columns(rng, of, of.train + floor, of.val + 1.05 * floor, accuracies=False)
    return {name: made[name] for name in ("loss", "val_loss")}


def small_gap(rng: np.random.Generator) -> Columns:
    """Validation ends a little higher, and holds."""
    of = shape(rng, 8, fitted=0.15)
    held = of.floor + rng.uniform(0.03, 0.08) * of.drop
    left = (of.train - of.floor) / of.drop
    best = held + (of.start - held) * left
    return columns(rng, of, np.maximum(of.train, 0.6 * held), best)


def loud_validation(rng: np.random.Generator) -> Columns:
    """A small validation set: it scatters by up to a twentieth of the fall."""
    of = shape(rng, 8, loudest=0.01)
    made = columns(rng, of, of.train, of.val, accuracies=False)
    made["val_loss"] += rng.uniform(0.01, 0.05) * of.drop * rng.standard_normal(len(of.at))
    return made


def long_run(rng: np.random.Generator) -> Columns:
    """Hundreds of epochs."""
    of = shape(rng, 300, 1000)
    return columns(rng, of, of.train, of.val)


def heavy_tails(rng: np.random.Generator) -> Columns:
    """Noise with outliers, five standard deviations and more."""
    of = shape(rng, 20, loudest=0.01)
    made = columns(rng, of, of.train, of.val, accuracies=False)
    for name in ("loss", "val_loss"):
        made[name] += 0.005 * of.drop * np.abs(rng.standard_t(3, len(of.at)))
    return made


def accuracies_alone(rng: np.random.Generator) -> Columns:
    """Two accuracies that rise and hold, in percent or not."""
    count = int(np.exp(rng.uniform(np.log(5), np.log(200))))
    at, top = np.arange(count) / max(count - 1, 1), rng.uniform(0.75, 0.97)
    unit = rng.choice([1.0, 100.0])
    line = top - (top - 0.15) * np.exp(-at / rng.uniform(0.05, 0.3))
    scatter = 0.006 * rng.standard_normal((2, count))
    return {"accuracy": unit * np.clip(line + scatter[0], 0, 1),
            "val_accuracy": unit * np.clip(line - 0.03 + scatter[1], 0, 1)}  # fmt: skip


def seldom_validated(rng: np.random.Generator) -> Columns:
    """Validated each fifth epoch."""
    of = shape(rng, 20)
    made = columns(rng, of, of.train, of.val)
    return {name: y[::5] if name.startswith("val") else y for name, y in made.items()}


def training_alone(rng: np.random.Generator) -> Columns:
    """No validation, a few epochs or many."""
    of = shape(rng, 3)
    made = columns(rng, of, of.train, of.val)
    return {name: made[name] for name in made if not name.startswith("val")} | {
        "lr": np.full(len(of.at), 0.1)
    }


def cycles(rng: np.random.Generator) -> Columns:
    """A learning rate that goes up and down, and losses that follow it."""
    of = shape(rng, 40)
    rate = 0.5 + 0.5 * np.cos(2 * np.pi * of.at * rng.integers(3, 6))
    lift = rng.uniform(0.05, 0.15) * of.drop * rate * (of.at > 0.1)
    return columns(rng, of, of.train + lift, of.val + lift, rate=0.01 + rate)


def shallow(rng: np.random.Generator) -> Columns:
    """A weak signal: the loss falls by a tenth, and the accuracy is what it allows."""
    count = int(np.exp(rng.uniform(np.log(8), np.log(100))))
    at = np.arange(count) / (count - 1)
    level = 0.693 * (1 - rng.uniform(0.06, 0.15) * (1 - np.exp(-at / 0.2)))
    made = level + 0.003 * rng.standard_normal((2, count))
    return {"loss": made[0], "val_loss": made[1] + 0.01}


HEALTHY: dict[str, Maker] = {
    made.__name__: made
    for made in (
        converges, falls_on, straight, stairs, warms_up, cosine, starts_late, single_steps,
        dropout, smoothed_labels, fine_tuned, language, fine_tuned_language,
        regression_with_a_floor, small_gap, loud_validation, long_run, heavy_tails,
        accuracies_alone, seldom_validated, training_alone, cycles, shallow,
    )
}  # fmt: skip
