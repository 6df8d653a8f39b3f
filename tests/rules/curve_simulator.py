"""Runs made up from a shape and noise: healthy ones of every kind, and sick ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netdoctor.facts.curves import Axis, Curve, CurveRole, TrainingRun

Array = np.ndarray
Maker = Callable[[np.random.Generator, float], TrainingRun]

_ROLES: dict[str, tuple[CurveRole, str, int]] = {
    "loss": ("train loss", "loss", -1),
    "val_loss": ("validation loss", "loss", -1),
    "accuracy": ("train metric", "accuracy", 1),
    "val_accuracy": ("validation metric", "accuracy", 1),
    "lr": ("learning rate", "lr", 0),
}


def run(axis: Axis = "epoch", classes: int | None = None, **columns: object) -> TrainingRun:
    """A run with those columns, counted from 0."""
    curves = []
    for name, values in columns.items():
        y = np.asarray(values, float)
        role, measure, better = _ROLES[name]
        curves.append(Curve(name, role, measure, np.arange(len(y), dtype=float), y, better))
    return TrainingRun("", axis, tuple(curves), classes)


def _fall(epochs: int, start: float, floor: float, pace: float) -> Array:
    """A loss from start to floor, e times closer every `pace` of the run."""
    return floor + (start - floor) * np.exp(-np.linspace(0, 1, epochs) / pace)


def _noisy(rng: np.random.Generator, y: Array, noise: float) -> Array:
    """With noise that is a share of the level."""
    return y * np.exp(noise * rng.standard_normal(len(y)))


def _accuracy(rng: np.random.Generator, loss: Array, noise: float, chance: float = 2.3) -> Array:
    sharp = 0.1 + 0.9 * np.exp(-1.5 * loss / chance) ** 0.5
    return np.clip(sharp + 0.2 * noise * rng.standard_normal(len(loss)) * (1 - sharp), 0, 1)


def _both(rng: np.random.Generator, train: Array, val: Array, noise: float,
          **more: object) -> TrainingRun:  # fmt: skip
    return run(
        loss=_noisy(rng, train, 0.5 * noise), val_loss=_noisy(rng, val, noise),
        accuracy=_accuracy(rng, train, noise), val_accuracy=_accuracy(rng, val, noise), **more,
    )  # fmt: skip


def converged(rng: np.random.Generator, noise: float) -> TrainingRun:
    """Falls and stays low."""
    epochs = int(rng.integers(20, 120))
    pace = rng.uniform(0.05, 0.2)
    return _both(rng, _fall(epochs, 2.2, 0.05, pace), _fall(epochs, 2.1, 0.12, pace), noise)


def step_drops(rng: np.random.Generator, noise: float) -> TrainingRun:
    """The loss falls at each drop of the learning rate."""
    epochs = int(rng.integers(30, 120))
    at = np.arange(epochs) / epochs
    stage = (at >= 0.5).astype(int) + (at >= 0.75)
    train = 0.6 * 0.35**stage + 1.6 * np.exp(-at / 0.08)
    val = 0.6 * 0.6**stage + 1.5 * np.exp(-at / 0.08)
    return _both(rng, train, val, noise, lr=0.1 * 0.1**stage)


def warm_up(rng: np.random.Generator, noise: float) -> TrainingRun:
    """Rises at first, then falls."""
    epochs = int(rng.integers(20, 80))
    at = np.arange(epochs) / epochs
    hump = 1.2 * np.exp(-(((at - 0.04) / 0.03) ** 2))
    rate = np.minimum(1, (at + 1 / epochs) / 0.1) * (1 + np.cos(np.pi * at)) / 2
    return _both(
        rng, _fall(epochs, 2.3, 0.1, 0.2) + hump, _fall(epochs, 2.3, 0.15, 0.2), noise, lr=rate
    )


def noisy_steps(rng: np.random.Generator, noise: float) -> TrainingRun:
    """Thousands of single steps."""
    steps = int(rng.integers(400, 8000))
    level = _fall(steps, 2.3, rng.uniform(0.2, 1.0), 0.2)
    return run("step", loss=level * rng.gamma(1 / (4 * noise) ** 2, (4 * noise) ** 2, steps))


def dropout(rng: np.random.Generator, noise: float) -> TrainingRun:
    """Validation is better than training."""
    epochs = int(rng.integers(20, 80))
    return _both(rng, _fall(epochs, 2.3, 0.4, 0.2), _fall(epochs, 1.9, 0.15, 0.2), noise)


def fine_tuned(rng: np.random.Generator, noise: float) -> TrainingRun:
    """Starts low and hardly falls."""
    epochs = int(rng.integers(6, 30))
    start = rng.uniform(0.08, 0.3)
    train, val = _fall(epochs, start, 0.6 * start, 0.5), _fall(epochs, start, 0.9 * start, 0.4)
    return run(
        loss=_noisy(rng, train, 0.3 * noise), val_loss=_noisy(rng, val, 0.3 * noise),
        val_accuracy=np.clip(0.95 + 0.01 * (1 - val / start), 0, 1),
    )  # fmt: skip


def fine_tuned_language(rng: np.random.Generator, noise: float) -> TrainingRun:
    """A language model: few evaluations, the loss falls by a tenth."""
    steps = int(rng.integers(50, 300))
    level = _fall(steps, 2.4, 2.15, 0.4)
    return run("step", loss=level + 0.5 * noise * rng.standard_normal(steps))


def smoothed_labels(rng: np.random.Generator, noise: float) -> TrainingRun:
    """A floor of 0.5, reached early."""
    epochs = int(rng.integers(20, 100))
    train, val = _fall(epochs, 2.2, 0.52, 0.1), _fall(epochs, 2.2, 0.6, 0.1)
    return run(
        loss=_noisy(rng, train, 0.2 * noise), val_loss=_noisy(rng, val, 0.3 * noise),
        accuracy=_accuracy(rng, train - 0.5, noise),
        val_accuracy=_accuracy(rng, val - 0.5, noise),
    )  # fmt: skip


def double_descent(rng: np.random.Generator, noise: float) -> TrainingRun:
    """Validation rises and is falling again."""
    epochs = int(rng.integers(60, 200))
    at = np.arange(epochs) / epochs
    val = 0.8 + 1.4 * np.exp(-at / 0.06) + 0.5 * np.exp(-(((at - 0.45) / 0.15) ** 2)) - 0.35 * at
    train = _fall(epochs, 2.3, 0.02, 0.25)
    return run(
        loss=_noisy(rng, train, 0.5 * noise), val_loss=_noisy(rng, val, 0.5 * noise),
        val_accuracy=np.clip(0.95 - 0.15 * val, 0, 1),
    )  # fmt: skip


def overconfident(rng: np.random.Generator, noise: float) -> TrainingRun:
    """The validation loss rises a little while its accuracy still rises."""
    epochs = int(rng.integers(30, 100))
    at = np.arange(epochs) / epochs
    val = _fall(epochs, 2.2, 0.2, 0.08) + 0.12 * np.maximum(0, at - 0.3)
    train = _fall(epochs, 2.3, 0.002, 0.12)
    return run(
        loss=_noisy(rng, train, noise), val_loss=_noisy(rng, val, 0.3 * noise),
        accuracy=_accuracy(rng, train, noise),
        val_accuracy=np.clip(0.93 + 0.03 * at - 0.8 * np.exp(-at / 0.05), 0, 1),
    )  # fmt: skip


def elbo(rng: np.random.Generator, noise: float) -> TrainingRun:
    """A loss that becomes negative."""
    epochs = int(rng.integers(20, 100))
    fall = _fall(epochs, 150.0, -900.0, 0.15)
    return run(
        loss=fall + 100 * noise * rng.standard_normal(epochs),
        val_loss=fall + 20 + 150 * noise * rng.standard_normal(epochs),
    )


def short(rng: np.random.Generator, noise: float) -> TrainingRun:
    """Three to five epochs."""
    epochs = int(rng.integers(3, 6))
    return _both(rng, _fall(epochs, 2.2, 0.3, 0.4), _fall(epochs, 2.0, 0.4, 0.4), noise)


def restarts(rng: np.random.Generator, noise: float) -> TrainingRun:
    """Warm restarts of a cosine schedule: the loss rises at each."""
    epochs = int(rng.integers(60, 120))
    phase = (np.arange(epochs) % 20) / 20
    rate = 0.05 * (1 + np.cos(np.pi * phase))
    level = _fall(epochs, 2.2, 0.1, 0.15)
    lift = 0.25 * rate / 0.1 * (np.arange(epochs) >= 20)
    return _both(rng, level + lift, level + 0.05 + lift, 0.5 * noise, lr=rate)


HEALTHY: dict[str, Maker] = {
    made.__name__: made
    for made in (
        converged, step_drops, warm_up, noisy_steps, dropout, fine_tuned, fine_tuned_language,
        smoothed_labels, double_descent, overconfident, elbo, short, restarts,
    )
}  # fmt: skip


def overfitted(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV001."""
    epochs = int(rng.integers(20, 120))
    at = np.arange(epochs) / epochs
    onset = rng.uniform(0.2, 0.5)
    rise = rng.uniform(0.5, 1.5) * np.maximum(0, at - onset)
    val = _fall(epochs, 2.2, 0.7, 0.12) + rise
    train = _fall(epochs, 2.2, 0.01, 0.2)
    return run(
        loss=_noisy(rng, train, 0.5 * noise), val_loss=_noisy(rng, val, 0.5 * noise),
        accuracy=_accuracy(rng, train, noise),
        val_accuracy=np.clip(0.75 - 0.6 * np.exp(-at / 0.1) - 0.1 * rise, 0, 1),
    )  # fmt: skip


def underfitted(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV002."""
    epochs = int(rng.integers(15, 80))
    floor = rng.uniform(1.75, 2.0)
    level = _fall(epochs, 2.3, floor, 0.15)
    skill = 0.1 + 0.25 * (2.3 - level) / (2.3 - floor)
    few = 0.01 * noise
    return run(
        loss=_noisy(rng, level, 0.2 * noise), val_loss=_noisy(rng, level + 0.02, 0.2 * noise),
        accuracy=skill + few * rng.standard_normal(epochs),
        val_accuracy=skill - 0.01 + few * rng.standard_normal(epochs),
    )  # fmt: skip


def unstable(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV003."""
    epochs = int(rng.integers(20, 80))
    level = _fall(epochs, 2.3, 0.5, 0.2)
    jumps = rng.uniform(0.3, 0.8) * np.abs(rng.standard_normal(epochs))
    return run(loss=_noisy(rng, level, noise) + jumps, val_loss=level + 0.1 + jumps[::-1])


def memorised(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV004."""
    epochs = int(rng.integers(15, 80))
    train, val = _fall(epochs, 2.2, 0.02, 0.2), _fall(epochs, 2.2, 1.0, 0.1)
    return run(
        loss=_noisy(rng, train, 0.5 * noise), val_loss=_noisy(rng, val, 0.3 * noise),
        accuracy=_accuracy(rng, train, noise), val_accuracy=_accuracy(rng, val, noise),
    )  # fmt: skip


def not_a_number(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV005."""
    made = converged(rng, noise)
    curve = made.curves[0]
    curve.y[int(rng.integers(3, len(curve.y))) :] = np.nan
    return made


def blown_up(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV006."""
    epochs = int(rng.integers(15, 80))
    at = np.arange(epochs) / epochs
    late = np.maximum(0, at - rng.uniform(0.2, 0.8))
    level = _fall(epochs, 2.2, 0.3, 0.2) + rng.choice([3.0, 30.0, 1e4]) * np.tanh(20 * late)
    return run(loss=_noisy(rng, level, noise), val_loss=_noisy(rng, 1.1 * level, noise))


def stalled(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV007."""
    epochs = int(rng.integers(20, 100))
    level = _fall(epochs, 2.3, 1.4, 0.04)
    skill = 0.1 + 0.35 * (2.3 - level) / 0.9
    return run(
        loss=_noisy(rng, level, 0.2 * noise), val_loss=_noisy(rng, level + 0.03, 0.2 * noise),
        val_accuracy=skill, lr=np.full(epochs, 0.1),
    )  # fmt: skip


def jumping_validation(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV008."""
    epochs = int(rng.integers(20, 80))
    train = _fall(epochs, 2.2, 0.1, 0.15)
    jumps = rng.uniform(0.4, 1.5) * np.abs(rng.standard_normal(epochs))
    return run(loss=_noisy(rng, train, 0.3 * noise), val_loss=train + 0.2 + jumps)


def spiked(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV009."""
    epochs = int(rng.integers(25, 100))
    train = _noisy(rng, _fall(epochs, 2.2, 0.2, 0.15), 0.5 * noise)
    train[int(rng.integers(epochs // 3, epochs - 3))] += rng.uniform(0.8, 5.0)
    return run(loss=train, val_loss=_noisy(rng, _fall(epochs, 2.2, 0.25, 0.15), noise))


def stuck(rng: np.random.Generator, noise: float) -> TrainingRun:
    """CRV010."""
    epochs, classes = int(rng.integers(8, 60)), int(rng.choice([2, 5, 10, 100]))
    flat = np.log(classes) * (1 + 0.03 * noise * rng.standard_normal((2, epochs)))
    guess = (1 + 0.1 * rng.standard_normal(epochs)) / classes
    return run(loss=flat[0], val_loss=flat[1], val_accuracy=np.clip(guess, 0, 1))


SICK: dict[str, Maker] = {
    "CRV001": overfitted, "CRV002": underfitted, "CRV003": unstable, "CRV004": memorised,
    "CRV005": not_a_number, "CRV006": blown_up, "CRV007": stalled, "CRV008": jumping_validation,
    "CRV009": spiked, "CRV010": stuck,
}  # fmt: skip
