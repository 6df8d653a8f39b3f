"""Optimisers and schedules of the third held-out set, as `unseen_loop.Fit` takes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import optim
from torch.optim import Optimizer, lr_scheduler

Schedule = Callable[[Optimizer, int], Any]


def sgd(lr: float, momentum: float = 0.0, decay: float = 0.0) -> Callable[..., Optimizer]:
    return partial(optim.SGD, lr=lr, momentum=momentum, weight_decay=decay)


def adam(lr: float, decay: float = 0.0, **more: object) -> Callable[..., Optimizer]:
    return partial(optim.Adam, lr=lr, weight_decay=decay, **more)


def adamw(lr: float, decay: float = 0.05, **more: object) -> Callable[..., Optimizer]:
    return partial(optim.AdamW, lr=lr, weight_decay=decay, **more)


def rmsprop(lr: float, decay: float = 0.0, momentum: float = 0.0) -> Callable[..., Optimizer]:
    return partial(optim.RMSprop, lr=lr, weight_decay=decay, momentum=momentum)


def adadelta(lr: float = 1.0, decay: float = 0.0) -> Callable[..., Optimizer]:
    return partial(optim.Adadelta, lr=lr, weight_decay=decay)


def asgd(lr: float) -> Callable[..., Optimizer]:
    return partial(optim.ASGD, lr=lr)


def drops(*shares: float, factor: float = 0.1) -> Schedule:
    """Multiplies the rate by the factor at those shares of the run."""
    return lambda o, n: lr_scheduler.MultiStepLR(o, [int(s * n) for s in shares], factor)


def one_cycle(peak: float) -> Schedule:
    return lambda o, n: lr_scheduler.OneCycleLR(o, peak, total_steps=n + 1)


def cosine(share: float = 1.0) -> Schedule:
    """Down to nothing within that share of the run, and nothing from there."""

    def make(optimiser: Optimizer, steps: int) -> Any:
        ends = max(1, int(share * steps))
        down = lr_scheduler.CosineAnnealingLR(optimiser, ends)
        still = lr_scheduler.ConstantLR(optimiser, 1e-6, 10**9)
        return lr_scheduler.SequentialLR(optimiser, [down, still], [ends + 1])

    return make


def restarts(count: int) -> Schedule:
    return lambda o, n: lr_scheduler.CosineAnnealingWarmRestarts(o, max(1, n // count))


def triangles(low: float, high: float, count: int) -> Schedule:
    return lambda o, n: lr_scheduler.CyclicLR(o, low, high, n // (2 * count), cycle_momentum=False)


def fading(to: float) -> Schedule:
    """Exponentially down to that share of the rate."""
    return lambda o, n: lr_scheduler.ExponentialLR(o, to ** (1 / n))


def warmed(share: float = 0.1) -> Schedule:
    """Up in a line, then down with the inverse square root of the step."""

    def make(optimiser: Optimizer, steps: int) -> Any:
        peak = max(1, int(share * steps))
        return lr_scheduler.LambdaLR(
            optimiser, lambda i: min((i + 1) / peak, (peak / (i + 1)) ** 0.5)
        )

    return make


def rising(share: float, to: float) -> Schedule:
    """Constant, and from that share of the run on up to `to` times the rate."""
    return lambda o, n: lr_scheduler.LambdaLR(
        o, lambda i: to ** max(0.0, (i / n - share) / (1 - share))
    )


def on_plateau(patience: int = 3, factor: float = 0.3, **more: object) -> Callable[..., Any]:
    return lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=factor, patience=patience, **more)
