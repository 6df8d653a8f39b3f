"""Curves drawn from formulas, sick and healthy, over a wide range of shapes.

Nothing here is taken from a log: an exponential, a power law or a logistic fall, noise that is a
share of the level or of the fall, 5 to 200 epochs or hundreds of steps, any unit of the loss, and
one planted fault that a person sees at a glance. `python -m tests.curves.synthetic` prints how many
are found, rightly named and falsely alarmed, kind by kind; `--each N` draws so many of each.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import math
from collections.abc import Callable

import numpy as np

from netdoctor.facts.curves import Curve, CurveRole, TrainingRun
from netdoctor.probes.curves import measure
from netdoctor.report import Severity
from netdoctor.rules import rules_of
from netdoctor.rules.core import judge

Array = np.ndarray
Columns = dict[str, Array]
Maker = Callable[[np.random.Generator], Columns]

_ROLES: dict[str, tuple[CurveRole, str, int]] = {
    "loss": ("train loss", "loss", -1),
    "val_loss": ("validation loss", "loss", -1),
    "accuracy": ("train metric", "accuracy", 1),
    "val_accuracy": ("validation metric", "accuracy", 1),
    "lr": ("learning rate", "lr", 0),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """A healthy pair of losses without noise.

    Attributes:
        at: (n,) share of the run, 0 at its first point.
        train, val: (n,) losses.
        start, floor: of the training loss.
        classes: number of classes whose chance the start is; 0 for a regression.
        sigma: standard deviation of the noise, as a share of the fall.
    """

    at: Array
    train: Array
    val: Array
    start: float
    floor: float
    classes: int
    sigma: float

    @property
    def drop(self) -> float:
        """What there is to fall."""
        return self.start - self.floor


def shape(
    rng: np.random.Generator, shortest: int = 5, longest: int = 200, fitted: float = 0.25,
    pace: tuple[float, float] = (0.05, 0.3), loudest: float = 0.03,
) -> Shape:  # fmt: skip
    """A random one: its floor is at most `fitted` of its start, its noise at most `loudest`."""
    count = min(longest, int(math.exp(rng.uniform(math.log(shortest), math.log(longest + 1)))))
    count = max(shortest, count)
    at = np.arange(count) / max(count - 1, 1)
    classes = int(rng.choice([0, 0, 2, 3, 5, 10, 20, 100, 1000]))
    unit = 10 ** rng.uniform(-3, 3)
    start = math.log(classes) * rng.uniform(0.97, 1.05) if classes else unit
    floor = start * math.exp(rng.uniform(math.log(0.01), math.log(fitted)))
    left = _left(rng, at, rng.uniform(*pace))
    train = floor + (start - floor) * left
    higher = rng.uniform(0.0, 0.2) * floor + rng.uniform(0.0, 0.03) * (start - floor)
    val = train + higher * (1 - left)
    sigma = math.exp(rng.uniform(math.log(0.001), math.log(loudest)))
    return Shape(at, train, val, start, floor, classes, sigma)


def _left(rng: np.random.Generator, at: Array, pace: float) -> Array:
    """(n,) what is left of the fall: an exponential, a power law or a logistic."""
    kind = rng.integers(4)
    if kind < 2:
        return np.exp(-at / pace)
    if kind == 2:
        return (1 + at / (0.5 * pace)) ** -1.2
    middle = rng.uniform(0.1, 0.3)
    logistic = 1 / (1 + np.exp((at - middle) / (0.4 * pace)))
    return logistic / logistic[0]


def _noisy(rng: np.random.Generator, of: Shape, y: Array, times: float = 1.0) -> Array:
    """With noise of its share of the fall, that shrinks with the level."""
    level = np.clip(y / max(of.start, 1e-12), 0.15, 1.0)
    return np.maximum(y + times * of.sigma * of.drop * level * rng.standard_normal(len(y)), 0.2 * y)


def columns(
    rng: np.random.Generator, of: Shape, train: Array, val: Array, best: float = 0.95,
    accuracies: bool | None = None, rate: Array | None = None,
) -> Columns:  # fmt: skip
    """A log of those losses, often with the accuracies that belong to them, or a learning rate."""
    made = {"loss": _noisy(rng, of, train), "val_loss": _noisy(rng, of, val)}
    with_them = rng.random() < 0.5 if accuracies is None else accuracies
    if of.classes and with_them:
        for name, losses in (("accuracy", made["loss"]), ("val_accuracy", made["val_loss"])):
            made[name] = _accuracy(rng, of, losses, best)
    if rate is not None:
        made["lr"] = rate
    elif rng.random() < 0.3:
        made["lr"] = np.full(len(train), 10 ** rng.uniform(-4, -1))
    return made


def _accuracy(rng: np.random.Generator, of: Shape, losses: Array, best: float) -> Array:
    """From chance to `best` as the loss falls, counted on a thousand samples."""
    chance = 1 / of.classes
    fallen = (of.start - np.nan_to_num(losses, nan=of.start, posinf=of.start)) / of.drop
    share = chance + (best - chance) * np.clip(fallen, 0, 1) ** 1.2
    return np.clip(rng.binomial(1000, np.clip(share, 0, 1)) / 1000, 0, 1)


# --- sick -----------------------------------------------------------------------------------


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
    k = int(rng.integers(max(5, round(0.25 * count)), round(0.75 * count)))
    height = rng.uniform(0.6, 4.0) * of.drop
    lasts = rng.uniform(0.7, max(0.8, 0.03 * count))
    back = np.where(np.arange(count) >= k, np.exp(-(np.arange(count) - k) / lasts), 0.0)
    made = columns(rng, of, of.train, of.val, accuracies=False)
    made["loss"] = made["loss"] + height * back
    return made


def step_spike(rng: np.random.Generator) -> Columns:
    """The same in a log of single steps, without validation."""
    of = shape(rng, 300, 3000, loudest=0.02)
    count = len(of.at)
    k = int(rng.integers(round(0.2 * count), count - 20))
    made = _noisy(rng, of, of.train, 2)
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
    of = _classes(rng, 15, pace=(0.02, 0.06))
    keeps = rng.uniform(0.55, 0.8)
    stays = np.maximum(of.train, 0) * (1 - keeps) + keeps * of.start
    return columns(rng, dataclasses.replace(of, sigma=0.2 * of.sigma), stays, 1.01 * stays,
                   accuracies=True)  # fmt: skip


def underfits(rng: np.random.Generator) -> Columns:
    """It falls slowly and flattens where most is left to learn."""
    of = _classes(rng, 15, pace=(0.1, 0.2))
    keeps = rng.uniform(0.6, 0.85)
    stays = of.train * (1 - keeps) + keeps * of.start
    return columns(rng, dataclasses.replace(of, sigma=0.2 * of.sigma), stays, 1.01 * stays,
                   accuracies=True)  # fmt: skip


def _classes(rng: np.random.Generator, shortest: int, pace: tuple[float, float]) -> Shape:
    made = shape(rng, shortest, pace=pace)
    while made.classes < 3:
        made = shape(rng, shortest, pace=pace)
    return made


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
    held = best - 0.6 * best * np.exp(-at / 0.08) - rng.uniform(0.15, 0.4) * np.clip(at - onset, 0, 1)
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


# --- healthy --------------------------------------------------------------------------------


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
    of = _classes(rng, 8, pace=(0.05, 0.2))
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


# --- measuring ------------------------------------------------------------------------------


def run_of(made: Columns) -> TrainingRun:
    """Those columns as a run: of steps where there is a training loss alone."""
    curves = []
    longest = max(len(y) for y in made.values())
    for name, y in made.items():
        role, what, better = _ROLES[name]
        x = np.arange(len(y)) * max(1, round(longest / len(y)))
        curves.append(Curve(name, role, what, x.astype(float), y, better))
    alone = set(made) == {"loss"}
    return TrainingRun("", "step" if alone else "epoch", tuple(curves))


def codes(made: Columns) -> set[str]:
    """Warnings and errors of the log with those columns."""
    found = judge(measure(run_of(made)), rules_of("diagnose-curves")).findings
    return {each.code for each in found if each.severity is not Severity.INFO}


def drawn(kind: str, number: int) -> Columns:
    """The log of that kind and number; the same each time."""
    maker = SICK[kind][0] if kind in SICK else HEALTHY[kind]
    return maker(np.random.default_rng([number, *kind.encode()]))


def rates(kind: str, each: int) -> tuple[float, float, float]:
    """Shares of the sick that are found, rightly named, and named something else as well."""
    _, must, may = SICK[kind]
    said = [codes(drawn(kind, number)) for number in range(each)]
    named = [bool(one & set(must)) for one in said]
    extra = [bool(one - set(must) - set(may)) for one in said]
    return float(np.mean([bool(one) for one in said])), float(np.mean(named)), float(np.mean(extra))


def alarms(kind: str, each: int) -> dict[int, set[str]]:
    """Codes by number, of the healthy that are alarmed."""
    said = {number: codes(drawn(kind, number)) for number in range(each)}
    return {number: one for number, one in said.items() if one}


def main() -> None:
    """Prints the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=100)
    each = parser.parse_args().each
    for kind in SICK:
        found, named, extra = rates(kind, each)
        print(f"{kind:<26} found {found:6.1%}  named {named:6.1%}  others too {extra:6.1%}")
    for kind in HEALTHY:
        raised = alarms(kind, each)
        by_code = collections.Counter(code for one in raised.values() for code in one)
        print(f"{kind:<26} alarms {len(raised)}/{each} {dict(by_code) or ''}")


if __name__ == "__main__":
    main()
