"""Trains a copy of the model on one small batch: can it learn at all?"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from netdoctor.errors import DataError, ModelError
from netdoctor.facts.overfit import Attempt, End, GradientState, GradientStates, OverfitFacts
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.losses import choose_loss
from netdoctor.inputs.objective import Objective
from netdoctor.inputs.outputs import main_output
from netdoctor.observe import trained_for_a_while
from netdoctor.probes.descent import Limits, OptimizerName, Progress, Tried, attempts
from netdoctor.probes.loss_floor import Floor, accuracy, floor_of
from netdoctor.probes.small_batch import conflicting, equal_inputs, one_target, small_batch
from netdoctor.probes.trainee import CaptureLoss, Trainee

_SAME = 1e-5  # relative to the output's largest value


def measure(
    model: nn.Module,
    batches: Iterable[Batch],
    objective: Objective,
    *,
    samples: int = 8,
    steps: int = 1000,
    time_limit: float = 60.0,
    optimizer: OptimizerName = "adam",
    synthetic: bool = False,
    fresh: bool | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> OverfitFacts:
    """What becomes of a copy of the model that is trained on one small batch.

    Training mode with dropout off; norm layers use the batch's statistics, or the stored ones
    where the batch is too small to have any. Where the model cannot be copied it is trained
    itself and put back.

    Args:
        model: the unwrapped model; left as it was found.
        batches: on the model's device; the first with different labels is taken.
        objective: the loss.
        samples: of that batch at most.
        steps: at one rate at most; up to three rates are tried.
        time_limit: in seconds, for everything.
        optimizer: `adam`, or `sgd` with a momentum of 0.9.
        synthetic: whether the batches are random; for the facts.
        fresh: whether the weights are known to be untrained; for the facts.
        seed: of whatever the model draws at random: the same numbers at every step.
        progress: told (steps done, steps at most).

    Raises:
        ModelError: the model raised.
        DataError: there is no target, or it does not fit the output.
    """
    begun = time.monotonic()
    batch = small_batch(batches, samples)
    groups = equal_inputs(batch)
    with trained_for_a_while(model), _copy_of(model) as trained, torch.enable_grad():
        trainee = Trainee(trained, batch, objective, seed)
        training = _train(trainee, groups, optimizer, steps, (begun, time_limit), progress)
        trainable = sum(each.numel() for _, each in trainee.parameters)
        parameters = sum(each.numel() for each in trained.parameters())
        target_values = _target_values(trainee)
    best = min(training.tried, key=lambda each: each.attempt.best, default=None)
    floor = training.floor
    if floor is not None and best is not None and best.attempt.best < floor.value * (1 - 1e-4):
        floor = None  # the loss is not what its function's name says
    after = training.gradients if best is None else best.gradients
    names = [name for name, _ in trainee.parameters]
    return OverfitFacts(
        attempts=tuple(each.attempt for each in training.tried),
        loss=objective.name,
        floor=None if floor is None else floor.value,
        ignorant=None if floor is None else floor.ignorant,
        fit=None if best is None else best.fit,
        samples=batch.size,
        target_values=target_values,
        conflicting=conflicting(groups, batch.target),
        one_target=batch.size > 1 and one_target(batch.target),
        output_varies=None if best is None or not np.any(groups != groups[0]) else best.varies,
        parameters=parameters,
        trainable=trainable,
        gradients=tuple(map(GradientStates, names, training.gradients, after)),
        random_targets=objective.random_targets,
        norms=trainee.norms,
        fresh=fresh,
        optimizer=optimizer,
        step_limit=steps,
        time_limit=time_limit,
        seconds=time.monotonic() - begun,
        synthetic=synthetic,
        device=training.device,
        seed=seed,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Training:
    tried: list[Tried]
    gradients: list[GradientState]
    floor: Floor | None
    device: str


def _train(
    trainee: Trainee,
    groups: NDArray[np.int64],
    optimizer: OptimizerName,
    steps: int,
    clock: tuple[float, float],
    progress: Progress | None,
) -> _Training:
    """What came of every rate; a network that plainly cannot move is not trained at all."""
    loss = trainee.first_loss()
    start = loss.item()
    floor = floor_of(trainee.call, groups) if trainee.call is not None else None
    trainee.backward(loss)
    gradients = trainee.gradient_states()
    limits = _limits(steps, clock, floor, start)
    tried: list[Tried] = []
    if trainee.parameters:
        end = _end_at_once(start, gradients, limits)
        if end is not None:
            tried = [Tried(Attempt(0.0, np.array([start]), end), gradients, *_read(trainee))]
        else:
            trainee.remember()
            tried = attempts(trainee, optimizer, limits, _read, progress)
    return _Training(tried, gradients, floor, str(loss.device))


def _limits(steps: int, clock: tuple[float, float], floor: Floor | None, start: float) -> Limits:
    begun, seconds = clock
    lowest, reference = (0.0, start) if floor is None else (floor.value, floor.ignorant)
    if reference - lowest <= 1e-6 * max(abs(reference), 1):
        reference = start
    return Limits(steps, begun + seconds, seconds, lowest, reference)


def _end_at_once(start: float, gradients: list[GradientState], limits: Limits) -> End | None:
    """How training ends before the first step; None where it can begin."""
    if not math.isfinite(start):
        return "non-finite"
    if limits.reached(start):
        return "reached"
    if "value" in gradients:
        return None
    return "non-finite" if "non-finite" in gradients else "stalled"


@contextmanager
def _copy_of(model: nn.Module) -> Iterator[nn.Module]:
    """A copy of the model, or the model itself where it cannot be copied."""
    try:
        copied = copy.deepcopy(model)
    except Exception:  # whatever a user's object raises
        copied = model
    yield copied


def _read(trainee: Trainee) -> tuple[float | None, bool | None]:
    """How well the last predictions fit, and whether they differ between samples."""
    try:
        output = main_output(trainee.output)[0].detach()
    except ModelError:
        return (None if trainee.call is None else accuracy(trainee.call)), None
    varies = None
    if output.ndim and len(output) == trainee.batch.size > 1:
        apart, size = (output - output[:1]).abs().max(), output.abs().max()
        varies = bool(apart > _SAME * size) if bool(torch.isfinite(size)) else None
    return _fit(trainee, output), varies


def _fit(trainee: Trainee, output: Tensor) -> float | None:
    """The share of right predictions under the loss, or under the one that suits the target."""
    if trainee.call is not None:
        return accuracy(trainee.call)
    target = trainee.batch.target
    try:
        suited, _ = choose_loss(None, output, target)
    except DataError:
        return None
    with CaptureLoss() as capture:
        suited(output, target)
    return None if capture.call is None else accuracy(capture.call)


def _target_values(trainee: Trainee) -> int:
    """How many numbers the network has to memorise; 0 when unknown."""
    target = trainee.batch.target if trainee.call is None else trainee.call.target
    if not isinstance(target, Tensor):
        return 0
    soft = target.is_floating_point() and trainee.call is not None
    if soft and trainee.call is not None and trainee.call.name == "cross_entropy":
        return target.numel() // (target.shape[1] if target.ndim > 1 else len(target))
    return target.numel()
