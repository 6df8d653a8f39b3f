"""Falls of a loss by formula, and the logs that they make."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

Array = np.ndarray
Columns = dict[str, Array]
Maker = Callable[[np.random.Generator], Columns]


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


def noisy(rng: np.random.Generator, of: Shape, y: Array, times: float = 1.0) -> Array:
    """With noise of its share of the fall, that shrinks with the level."""
    level = np.clip(y / max(of.start, 1e-12), 0.15, 1.0)
    return np.maximum(y + times * of.sigma * of.drop * level * rng.standard_normal(len(y)), 0.2 * y)


def columns(
    rng: np.random.Generator, of: Shape, train: Array, val: Array, best: float = 0.95,
    accuracies: bool | None = None, rate: Array | None = None,
) -> Columns:  # fmt: skip
    """A log of those losses, often with the accuracies that belong to them, or a learning rate."""
    made = {"loss": noisy(rng, of, train), "val_loss": noisy(rng, of, val)}
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


def several_classes(rng: np.random.Generator, shortest: int, pace: tuple[float, float]) -> Shape:
    """One of three classes or more."""
    made = shape(rng, shortest, pace=pace)
    while made.classes < 3:
        made = shape(rng, shortest, pace=pace)
    return made
