"""Trains on one batch: a short range test for the rate, then up to three rates."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch

from netdoctor.facts.overfit import AIM, LEARNT, PATIENCE, Attempt, End, GradientState
from netdoctor.probes.trainee import Trainee

OptimizerName = Literal["adam", "sgd"]
Progress = Callable[[int, int], None]

_RATES = {"adam": (1e-5, 1.0, 1e-3), "sgd": (1e-4, 10.0, 1e-2)}  # from, to, and without a descent
_SWEEP = 24
_SWEEP_SHARE = 0.2  # of the time limit
_GAIN = 0.01  # of the loss left: less than that is no descent
_BLOWN_UP = 100.0  # times the loss at the start
_HALF_EPSILON = 1e-4  # Adam's usual 1e-8 is zero in float16, and 0 / 0 is NaN
_BELOW_MINIMUM = 5.0
_ATTEMPTS = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """When training ends.

    Attributes:
        steps: at one rate.
        deadline: by the monotonic clock, in seconds.
        seconds: from the start to the deadline.
        floor: the lowest loss that is possible; 0 where unknown.
        reference: the loss from which the share that is left is counted.
    """

    steps: int
    deadline: float
    seconds: float
    floor: float
    reference: float

    def reached(self, loss: float) -> bool:
        """Whether the loss is as near the floor as training aims for."""
        return self.left(loss) <= AIM

    def left(self, loss: float) -> float:
        """The share of the loss above the floor; infinite where there is nothing to count from."""
        above = self.reference - self.floor
        return (loss - self.floor) / above if above > 0 else math.inf

    def time_is_up(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline


@dataclasses.dataclass(frozen=True, slots=True)
class Tried:
    """An attempt, the kind of each gradient at its last step, and what the network then gave."""

    attempt: Attempt
    gradients: list[GradientState]
    fit: float | None
    varies: bool | None


def attempts(
    trainee: Trainee,
    optimizer: OptimizerName,
    limits: Limits,
    read: Callable[[Trainee], tuple[float | None, bool | None]],
    progress: Progress | None = None,
) -> list[Tried]:
    """Trains from the remembered weights until an attempt comes near the floor.

    A rate at which the loss blew up is followed by lower ones; one at which it got nowhere or
    crawled, by a lower and a higher one.

    Args:
        trainee: with its weights remembered.
        optimizer: `adam`, or `sgd` with a momentum of 0.9.
        limits: of steps and time.
        read: after an attempt, the fit of the predictions and whether they vary.
        progress: told (steps done, steps at most) of an attempt.
    """
    rate = suggested_rate(trainee, optimizer, limits)
    found: list[Tried] = []
    for each in _ladder(rate, found):
        trainee.restart()
        attempt = _descend(trainee, optimizer, each, limits, progress)
        found.append(Tried(attempt, trainee.gradient_states(), *read(trainee)))
        if limits.left(attempt.best) < LEARNT or limits.time_is_up():
            break
    return found


def _ladder(first: float, found: list[Tried]) -> Iterator[float]:
    """The rates to try, each chosen by how those before it ended."""
    yield first
    blown_up = ("diverged", "non-finite")
    for number in range(1, _ATTEMPTS):
        lowest = min(each.attempt.rate for each in found)
        if found[-1].attempt.end in blown_up:
            yield lowest / 10
        elif number == 1 or any(each.attempt.end in blown_up for each in found):
            yield lowest / 5
        else:
            yield first * 5


def suggested_rate(trainee: Trainee, optimizer: OptimizerName, limits: Limits) -> float:
    """A fifth of the rate at which the loss of a log sweep was lowest; the weights have moved."""
    lowest, highest, usual = _RATES[optimizer]
    stepper = _optimizer(trainee, optimizer, lowest)
    trainee.restart()
    begun, count = time.monotonic(), _SWEEP
    losses: list[float] = []
    rates: list[float] = []
    while len(losses) <= count:
        loss = trainee.loss()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]) or losses[-1] > _BLOWN_UP * abs(losses[0]):
            break
        trainee.backward(loss)
        rates.append(lowest * (highest / lowest) ** (len(rates) / (count - 1)))
        _set_rate(stepper, rates[-1])
        stepper.step()
        if len(rates) == 2:  # both still at the lowest rates, whatever the count
            each = (time.monotonic() - begun) / 2
            count = int(min(_SWEEP, max(8, _SWEEP_SHARE * limits.seconds / max(each, 1e-9))))
    after = np.array(losses[1:])
    finite = np.where(np.isfinite(after), after, np.inf)
    if not len(finite) or not losses[0] - finite.min() > _GAIN * abs(losses[0] - limits.floor):
        return usual
    return rates[int(finite.argmin())] / _BELOW_MINIMUM


def _descend(
    trainee: Trainee,
    optimizer: OptimizerName,
    rate: float,
    limits: Limits,
    progress: Progress | None,
) -> Attempt:
    stepper = _optimizer(trainee, optimizer, rate)
    losses: list[float] = []
    end: End = "steps"
    mark, since = math.inf, 0
    for step in range(limits.steps + 1):
        loss = trainee.loss()
        value = loss.item()
        losses.append(value)
        if not math.isfinite(mark) or value < mark - _GAIN * abs(mark - limits.floor):
            mark, since = value, step
        over = _ending(losses, step - since, limits)
        trainee.backward(loss)
        if over is not None:
            end = over
            break
        if progress is not None:
            progress(step, limits.steps)
        if step < limits.steps:
            stepper.step()
    return Attempt(rate, np.array(losses), _renamed(losses, end))


def _ending(losses: list[float], idle: int, limits: Limits) -> End | None:
    """How training ends now; None while it goes on."""
    value = losses[-1]
    if not math.isfinite(value):
        return "non-finite"
    if limits.reached(value):
        return "reached"
    if value > _BLOWN_UP * max(abs(losses[0]), abs(limits.reference)):
        return "diverged"
    if idle >= PATIENCE:
        return "stalled"
    return "time" if limits.time_is_up() else None


def _renamed(losses: list[float], end: End) -> End:
    """`diverged` for what ended on a plateau well above its start."""
    late = float(np.median(losses[-20:]))
    return "diverged" if end in ("stalled", "steps") and late > 2 * abs(losses[0]) else end


def _optimizer(trainee: Trainee, name: OptimizerName, rate: float) -> torch.optim.Optimizer:
    parameters = [parameter for _, parameter in trainee.parameters]
    if name == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=0.9)
    half = any(each.dtype == torch.float16 for each in parameters)
    return torch.optim.Adam(parameters, rate, eps=_HALF_EPSILON if half else 1e-8)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
