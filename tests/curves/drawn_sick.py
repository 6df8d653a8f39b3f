"""Curves by formula with one planted fault each."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tests.curves.formulas import Columns, Maker, columns, noisy, several_classes, shape


def overfits(rng: np.random.Generator) -> Columns:
    """The validation loss rises all along from epoch k on, and the training loss falls on."""
    of = shape(rng, 6)
    count = len(of.at)
    k = int(np.clip(round(rng.uniform(0.2, 0.7) * count), 2, count - 4))
    lift = rng.uniform(0.15, 1.2) * of.drop + 0.3 * of.val[k]
    after = np.clip((np.arange(count) - k) / (count - 1 - k), 0, None)
    bend = rng.uniform(0.6, 1.5)
    held = np.where(np.arange(count) <= k, of.val, of.val[k] + lift * after**bend)
    return columns(rng, of, of.train, held + 0.1 * of.drop, best=0.9)


def overfits_in_five(rng: np.random.Generator) -> Columns:
    """Five points: down, then up at two or three."""
    of = shape(rng, 5, 5, pace=(0.2, 0.5), loudest=0.01)
    k = int(rng.integers(1, 3))
    rising = rng.uniform(0.1, 0.4) * of.drop * np.clip(np.arange(5) - k, 0, None)
    return columns(rng, of, of.train, np.maximum(of.val, of.val[k]) + rising, best=0.9)


def gap(rng: np.random.Generator) -> Columns:
    """The training loss goes to a floor near 0, that of validation stays high and flat."""
    of = shape(rng, 10, fitted=0.25)
    held = of.floor + rng.uniform(0.35, 0.8) * of.drop
    left = (of.train - of.floor) / of.drop
    return columns(rng, of, of.train, held + (of.start - held) * left**1.5, best=0.97)


def nan_from(rng: np.random.Generator) -> Columns:
    """The training loss is NaN, or infinite, from step k on."""
    of = shape(rng, 5)
    made = columns(rng, of, of.train, of.val)
    k = int(rng.integers(1, len(of.at)))
    made["loss"][k:] = rng.choice([np.nan, np.inf])
    if rng.random() < 0.7:
        made["val_loss"][k:] = np.nan
    return made


def nan_once(rng: np.random.Generator) -> Columns:
    """One NaN, and on it goes."""
    of = shape(rng, 5)
    made = columns(rng, of, of.train, of.val)
    made["loss"][int(rng.integers(1, len(of.at)))] = np.nan
    return made


def spike(rng: np.random.Generator) -> Columns:
    """Once the loss is far higher for a point or some, and comes back."""
    of = shape(rng, 15)
    count = len(of.at)
    k = int(rng.integers(max(3, round(0.25 * count)), count - 3))
    height = rng.uniform(0.5, 6.0) * of.drop
    back = np.where(np.arange(count) >= k, np.exp(-(np.arange(count) - k) / 0.5), 0.0)
    made = columns(rng, of, of.train, of.val, accuracies=False)
    made["loss"] = made["loss"] + height * back
    if rng.random() < 0.5:
        made["val_loss"] = made["val_loss"] + 0.7 * height * back
    return made


def slow_spike(rng: np.random.Generator) -> Columns:
    """Once the loss is far higher, and takes several points to come back."""
    of = shape(rng, 30)
    count = len(of.at)
    k = int(rng.integers(max(5, round(0.25 * count)), round(0.6 * count)))
    height = rng.uniform(0.6, 4.0) * of.drop
    lasts = rng.uniform(0.7, max(0.8, 0.1 * count))
    back = np.where(np.arange(count) >= k, np.exp(-(np.arange(count) - k) / lasts), 0.0)
    made = columns(rng, of, of.train, of.val, accuracies=False)
    made["loss"] = made["loss"] + height * back
    return made


def step_spike(rng: np.random.Generator) -> Columns:
    """The same in a log of single steps, without validation."""
    of = shape(rng, 300, 3000, loudest=0.02)
    count = len(of.at)
    k = int(rng.integers(round(0.2 * count), count - 20))
    made = noisy(rng, of, of.train, 2)
    made[k : k + 3] += rng.uniform(0.8, 6.0) * of.drop * np.array([1.0, 0.6, 0.3])
    return {"loss": made}


def flat_from_the_start(rng: np.random.Generator) -> Columns:
    """Nothing is learnt: both losses stay where they are, at ln C or anywhere above 0.4."""
    of = shape(rng, 8)
    if of.start < 0.4:
        of = dataclasses.replace(of, start=of.start * 10 ** math.ceil(-math.log10(of.start)))
    noise = rng.uniform(0.0005, 0.008) * of.start
    lines = of.start + noise * rng.standard_normal((2, len(of.at)))
    made = {"loss": lines[0], "val_loss": lines[1]}
    if of.classes and rng.random() < 0.6:
        share = rng.binomial(1000, 1 / of.classes, (2, len(of.at))) / 1000
        made |= {"accuracy": share[0], "val_accuracy": share[1]}
    return made


def plateau(rng: np.random.Generator) -> Columns:
    """It falls by a little at once, then stays at a level that is bad, and the accuracy too."""
    of = several_classes(rng, 15, pace=(0.02, 0.06))
    keeps = rng.uniform(0.55, 0.8)
    stays = np.maximum(of.train, 0) * (1 - keeps) + keeps * of.start
    return columns(rng, dataclasses.replace(of, sigma=0.2 * of.sigma), stays, 1.01 * stays,
                   accuracies=True)  # fmt: skip


def underfits(rng: np.random.Generator) -> Columns:
    """It falls slowly and flattens where most is left to learn."""
    of = several_classes(rng, 15, pace=(0.1, 0.2))
    keeps = rng.uniform(0.6, 0.85)
    stays = of.train * (1 - keeps) + keeps * of.start
    return columns(rng, dataclasses.replace(of, sigma=0.2 * of.sigma), stays, 1.01 * stays,
                   accuracies=True)  # fmt: skip


def diverges(rng: np.random.Generator) -> Columns:
    """From k on the loss rises, faster and faster or to a new level, and stays up."""
    of = shape(rng, 8)
    count = len(of.at)
    k = int(np.clip(round(rng.uniform(0.2, 0.8) * count), 2, count - 4))
    after = np.clip((np.arange(count) - k) / (count - 1 - k), 0, None)
    size = 10 ** rng.uniform(0.0, 3.0) * of.drop
    rises = [size * after, size * np.expm1(4 * after) / np.expm1(4), size * np.tanh(8 * after)]
    lift = rises[int(rng.integers(3))]
    return columns(rng, of, of.train + lift, of.val + lift)


def diverges_in_five(rng: np.random.Generator) -> Columns:
    """Five points, each loss higher than the one before."""
    start = 10 ** rng.uniform(-1, 1)
    train = start * rng.uniform(1.3, 6.0) ** np.arange(5)
    return {"loss": train, "val_loss": 1.1 * train}


def diverges_from_the_start(rng: np.random.Generator) -> Columns:
    """The loss rises from its first point on."""
    of = shape(rng, 6)
    up = of.start * (1 + rng.uniform(0.5, 20.0) * of.at ** rng.uniform(0.7, 2.0))
    return columns(rng, of, up, 1.05 * up, accuracies=False)


def validation_oscillates(rng: np.random.Generator) -> Columns:
    """Validation goes up and down from epoch to epoch, training is smooth."""
    of = shape(rng, 15)
    size = rng.uniform(0.35, 1.0) * of.drop
    kind = rng.integers(3)
    count = len(of.at)
    jumps = np.abs(rng.standard_normal(count))
    if kind == 1:
        jumps = np.arange(count) % 2 + 0.1 * rng.standard_normal(count)
    if kind == 2:
        jumps = 0.5 + 0.5 * np.sin(np.arange(count) * rng.uniform(1.2, 2.8))
    made = columns(rng, of, of.train, of.val, accuracies=False)
    made["val_loss"] = made["val_loss"] + size * np.maximum(jumps, 0)
    return made


def training_jumps(rng: np.random.Generator) -> Columns:
    """Training and validation jump from epoch to epoch."""
    of = shape(rng, 15)
    size = rng.uniform(0.3, 0.8) * of.drop
    jumps = size * np.abs(rng.standard_normal((2, len(of.at))))
    made = columns(rng, of, of.train, of.val, accuracies=False)
    return made | {"loss": made["loss"] + jumps[0], "val_loss": made["val_loss"] + jumps[1]}


def training_swings(rng: np.random.Generator) -> Columns:
    """Both losses swing to and fro over several epochs."""
    of = shape(rng, 24)
    size = rng.uniform(0.3, 0.7) * of.drop
    waves = size * (0.5 + 0.5 * np.sin(np.arange(len(of.at)) * rng.uniform(1.0, 2.5)))
    made = columns(rng, of, of.train, of.val, accuracies=False)
    return made | {"loss": made["loss"] + waves, "val_loss": made["val_loss"] + waves}


def overfits_loudly(rng: np.random.Generator) -> Columns:
    """The same under noise, over many epochs."""
    of = dataclasses.replace(shape(rng, 30), sigma=rng.uniform(0.03, 0.07))
    onset = rng.uniform(0.2, 0.5)
    lift = rng.uniform(0.5, 1.5) * of.drop * np.clip(of.at - onset, 0, None)
    return columns(rng, of, of.train, of.val + lift + 0.1 * of.drop, best=0.9)


def overfits_by_accuracy(rng: np.random.Generator) -> Columns:
    """Accuracies alone: that of validation rises, then falls by a tenth or two."""
    count = int(np.exp(rng.uniform(np.log(12), np.log(200))))
    at = np.arange(count) / (count - 1)
    best, onset = rng.uniform(0.6, 0.9), rng.uniform(0.2, 0.5)
    train = 0.98 - 0.8 * np.exp(-at / 0.15)
    held = (
        best - 0.6 * best * np.exp(-at / 0.08) - rng.uniform(0.15, 0.4) * np.clip(at - onset, 0, 1)
    )
    scatter = 0.006 * rng.standard_normal((2, count))
    return {"accuracy": np.clip(train + scatter[0], 0, 1), "val_accuracy": held + scatter[1]}


def gap_by_accuracy(rng: np.random.Generator) -> Columns:
    """Accuracies alone, far apart."""
    count = int(np.exp(rng.uniform(np.log(10), np.log(200))))
    at = np.arange(count) / (count - 1)
    lines = [top - (top - 0.1) * np.exp(-at / 0.12) for top in (0.99, rng.uniform(0.4, 0.8))]
    scatter = 0.006 * rng.standard_normal((2, count))
    return {"accuracy": np.clip(lines[0] + scatter[0], 0, 1), "val_accuracy": lines[1] + scatter[1]}


def nan_validation(rng: np.random.Generator) -> Columns:
    """The validation loss is NaN from k on."""
    of = shape(rng, 5)
    made = columns(rng, of, of.train, of.val)
    made["val_loss"][int(rng.integers(1, len(of.at))) :] = np.nan
    return made


def three_spikes(rng: np.random.Generator) -> Columns:
    """Three spikes here and there."""
    of = shape(rng, 50, loudest=0.015)
    made = columns(rng, of, of.train, of.val, accuracies=False)
    places = rng.choice(np.arange(12, len(of.at) - 3), 3, replace=False)
    made["loss"][places] += rng.uniform(0.6, 4.0, 3) * of.drop
    return made


def steps_diverge(rng: np.random.Generator) -> Columns:
    """Single steps: from k on the loss climbs, and stays up."""
    of = shape(rng, 200, 3000, fitted=0.5)
    after = np.clip((of.at - rng.uniform(0.2, 0.7)) / 0.1, 0, 1)
    few = 1 / rng.uniform(0.05, 0.2) ** 2
    level = of.train + 10 ** rng.uniform(0.1, 2) * of.start * after
    return {"loss": level * rng.gamma(few, 1 / few, len(of.at))}


def steps_never_learn(rng: np.random.Generator) -> Columns:
    """Single steps that stay at chance."""
    count = int(rng.integers(200, 3000))
    level = math.log(rng.choice([2, 5, 10, 100, 1000]))
    return {"loss": level * (1 + rng.uniform(0.01, 0.05) * rng.standard_normal(count))}


def rate_of_zero(rng: np.random.Generator) -> Columns:
    """Nothing moves but the noise, and the log says why."""
    made = flat_from_the_start(rng)
    return made | {"lr": np.zeros(len(made["loss"]))}


SICK: dict[str, tuple[Maker, tuple[str, ...], tuple[str, ...]]] = {
    made.__name__: (made, must, may)
    for made, must, may in (
        (overfits, ("CRV001",), ("CRV004",)),
        (overfits_in_five, ("CRV001",), ("CRV004",)),
        (gap, ("CRV004",), ("CRV001",)),
        (nan_from, ("CRV005",), ()),
        (nan_once, ("CRV005",), ()),
        (spike, ("CRV009",), ()),
        (slow_spike, ("CRV009",), ()),
        (step_spike, ("CRV009",), ()),
        (flat_from_the_start, ("CRV010",), ("CRV007", "CRV002")),
        (plateau, ("CRV007",), ("CRV002",)),
        (underfits, ("CRV002", "CRV007"), ()),
        (diverges, ("CRV006",), ()),
        (diverges_in_five, ("CRV006",), ()),
        (diverges_from_the_start, ("CRV006",), ()),
        (validation_oscillates, ("CRV008",), ("CRV004",)),
        (training_jumps, ("CRV003",), ("CRV008",)),
        (training_swings, ("CRV003",), ("CRV008",)),
        (overfits_loudly, ("CRV001",), ("CRV004", "CRV008", "CRV003")),
        (overfits_by_accuracy, ("CRV001",), ("CRV004",)),
        (gap_by_accuracy, ("CRV004",), ()),
        (nan_validation, ("CRV005",), ()),
        (three_spikes, ("CRV009",), ("CRV003",)),
        (steps_diverge, ("CRV006",), ()),
        (steps_never_learn, ("CRV010",), ()),
        (rate_of_zero, ("CRV010",), ()),
    )
}
