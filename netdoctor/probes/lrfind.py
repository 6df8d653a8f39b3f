"""The range test: a short training run a repeat, at a learning rate that grows with every step."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import SGD, Adam, AdamW, Optimizer

from netdoctor.errors import DataError, ModelError
from netdoctor.facts.lr_curve import DivergenceWatch, Reading, declined, read
from netdoctor.facts.lrfind import LrFindFacts, Stop, Sweep
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.inputs.user_code import guarded
from netdoctor.observe import trained_for_a_while
from netdoctor.probes.chance import chance_loss

OptimizerName = Literal["sgd", "adam", "adamw"]
Progress = Callable[[int, int], None]
CONVERGED = 0.01  # share of a constant answer's loss
_TARGETS_KEPT = 10


def measure(
    model: nn.Module,
    training_pass: Callable[[int], Iterable[Batch]],
    objective: Objective,
    rates: NDArray[np.float64],
    *,
    optimizer: OptimizerName = "sgd",
    momentum: float = 0.9,
    repeats: int = 3,
    accumulate: int = 1,
    synthetic: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> LrFindFacts:
    """Trains the model over the rising rates, once a repeat, each time from where it was found.

    Training mode. The model, its buffers and all random states are as before afterwards. One
    copy of the model is held at a time; the loss is the one value read from the device a step.

    Args:
        model: the unwrapped model.
        training_pass: the batches of a pass over the data by its number, on the model's device.
        objective: the loss.
        rates: (P,) rising.
        optimizer: made anew for each repeat.
        momentum: of SGD.
        repeats: runs, each with further batches and its own seed.
        accumulate: batches a step, over which the gradient is averaged.
        synthetic: whether the batches are random; for the facts.
        seed: of dropout and the like; repeat r takes `seed + r`.
        progress: told (steps done, steps in all).

    Raises:
        ModelError, DataError: the model, the loss or the data raised.
    """
    weights = [each for each in model.parameters() if each.requires_grad]
    if any(map(is_lazy, model.parameters())):
        raise ModelError(
            "the model has lazy layers, whose weights do not exist before the first batch",
            hint="run a batch through the model where it is made",
        )
    sweeps, moving = [], False
    with contextlib.closing(_Stream(training_pass)) as stream:
        for repeat in range(repeats):
            with trained_for_a_while(model), guarded("Training the model", ModelError):
                torch.manual_seed(seed + repeat)
                model.train()
                made = _made(optimizer, weights, momentum)
                run = _Run(model, objective, stream, made, accumulate)
                done, of = repeat * len(rates), repeats * len(rates)
                sweeps.append(run.sweep(rates, done, of, progress))
                moving |= run.moving
    chance = None if objective.random_targets else chance_loss(objective.name, stream.targets)
    return LrFindFacts(
        rates=rates,
        sweeps=tuple(sweeps),
        reading=_reading(rates, sweeps, chance, bool(weights), moving),
        optimizer=optimizer,
        loss=objective.name,
        chance=None if objective.random_targets else chance_loss(objective.name, stream.targets),
        trainable=sum(each.numel() for each in weights),
        moving=moving,
        random_targets=objective.random_targets,
        synthetic=synthetic,
        device=str(next((each.device for each in model.parameters()), "cpu")),
        seed=seed,
    )


class _Stream:
    """Batches without end: pass after pass over the data.

    Attributes:
        exhausted: how often the data came to an end.
        targets: those of the first few batches.
    """

    def __init__(self, training_pass: Callable[[int], Iterable[Batch]]) -> None:
        self.exhausted = 0
        self.targets: list[Any] = []
        self._batches = self._endless(training_pass)

    def __next__(self) -> Batch:
        batch = next(self._batches)
        if len(self.targets) < _TARGETS_KEPT:
            self.targets.append(batch.target)
        return batch

    def close(self) -> None:
        """Ends the pass that was begun, which gives a loader its generators back."""
        self._batches.close()

    def _endless(
        self, training_pass: Callable[[int], Iterable[Batch]]
    ) -> Generator[Batch, None, None]:
        while True:
            count = 0
            for batch in training_pass(self.exhausted):
                count += 1
                yield batch
            if not count:
                raise DataError(
                    "the data gave batches once, and then no more",
                    hint="give a loader that can be iterated again, or fewer --steps",
                )
            self.exhausted += 1


class _Run:
    """One training run.

    Attributes:
        moving: whether a gradient reached any parameter, at the first step or the last.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        stream: _Stream,
        optimizer: Optimizer | None,
        accumulate: int,
    ) -> None:
        self.moving = False
        self._model, self._objective, self._stream = model, objective, stream
        self._optimizer, self._accumulate = optimizer, accumulate

    def sweep(
        self, rates: NDArray[np.float64], done: int, of: int, progress: Progress | None
    ) -> Sweep:
        """Trains at each of the rates until the loss explodes."""
        decades = math.log10(rates[-1] / rates[0]) if len(rates) > 1 else 1.0
        diverged = DivergenceWatch((len(rates) - 1) / decades)
        before, losses = self._stream.exhausted, []
        stop: Stop = "reached the end"
        last = len(rates) - 1
        for place, rate in enumerate(rates.tolist()):
            loss = self._step(rate)
            if not math.isfinite(loss):
                stop, last = "non-finite", place
                break
            losses.append(loss)
            if place == 0:
                self._notice_gradient()
            if progress is not None:
                progress(done + place + 1, of)
            if diverged(loss):
                stop, last = "diverged", place - 2
                break
        self._notice_gradient()
        cycled = self._stream.exhausted - before
        return Sweep(np.array(losses), stop, float(rates[last]), cycled)

    def _step(self, rate: float) -> float:
        """The loss before the step; a loss that is not finite makes none."""
        if self._optimizer is not None:
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._optimizer.zero_grad()
        total = 0.0
        for _ in range(self._accumulate):
            loss = self._loss() / self._accumulate
            total += loss.item()
            if not math.isfinite(total):
                return total
            if loss.requires_grad:
                torch.autograd.backward(loss)
        if self._optimizer is not None:
            self._optimizer.step()
        return total

    def _loss(self) -> Tensor:
        batch = next(self._stream)
        try:
            return self._objective(batch.call(self._model), batch)
        except ModelError as error:
            if batch.size == 1 and "more than 1 value per channel" in error.message:
                raise DataError(
                    "a batch holds one sample, and batch norm cannot train on one",
                    hint="give --batch-size 2 or more, or a loader with drop_last=True",
                ) from error
            raise

    def _notice_gradient(self) -> None:
        groups = self._optimizer.param_groups if self._optimizer is not None else ()
        gradients = (weight.grad for group in groups for weight in group["params"])
        self.moving |= any(_is_any(each) for each in gradients if each is not None)


def _is_any(gradient: Tensor) -> bool:
    """Whether any value of it is not zero."""
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return bool(values.any())


def _made(name: OptimizerName, weights: list[nn.Parameter], momentum: float) -> Optimizer | None:
    if not weights:
        return None
    if name == "sgd":
        return SGD(weights, 1.0, momentum=momentum)
    return Adam(weights, 1.0) if name == "adam" else AdamW(weights, 1.0)


def _reading(
    rates: NDArray[np.float64],
    sweeps: list[Sweep],
    chance: float | None,
    trainable: bool,
    moving: bool,
) -> Reading:
    reading = read(rates, [sweep.losses for sweep in sweeps])
    if not trainable:
        return declined(reading, "every parameter is frozen: there is nothing to train")
    if not moving and len(sweeps[0].losses):
        return declined(reading, "no gradient reaches any trainable parameter")
    if chance is not None and reading.start < CONVERGED * chance:
        return declined(
            reading,
            f"it has converged: the loss starts at {reading.start:.2g}, and a constant answer "
            f"has {chance:.2g}",
        )
    return reading
